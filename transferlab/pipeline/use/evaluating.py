"""Any model's scores on a domain, beside what needs no understanding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transferlab.backbone.hf import HFBackbone
from transferlab.config.pipeline import EvaluationSection
from transferlab.core.events import Listener, Warned, stage_events
from transferlab.core.records import SCORING_VERSION, DomainData
from transferlab.core.registry import did_you_mean
from transferlab.domain.catalog import find_entry
from transferlab.domain.loader import load_domain
from transferlab.domain.media.decoder import decode
from transferlab.errors import InputError
from transferlab.evaluation.control import score_controls
from transferlab.evaluation.records import arms_record, controls_record
from transferlab.evaluation.scoring import score_domain
from transferlab.pipeline.answer_lengths import new_token_limits, too_long_references
from transferlab.pipeline.sample_validation import check_answerable
from transferlab.pipeline.sampling import only_tasks
from transferlab.pipeline.use.opening import NamedModel


def evaluate(
    named: NamedModel,
    domain: str,
    section: EvaluationSection,
    *,
    tasks: Sequence[str] | None,
    domains: Sequence[Path],
    data_root: Path | None,
    seed: int,
    listener: Listener,
) -> dict[str, Any]:
    """Score a model on one domain, as a run scores its arms.

    The controls that learn, learn from the domain's whole training split, whatever the model saw:
    they are what its score is held against.

    Args:
        named: the model.
        domain: a name, or the folder of one.
        section: limits, split and batch sizes.
        tasks: those that are scored; None scores all.
        domains: folders of domains beside the usual search path.
        data_root: folder of the data packs; None means $TRANSFERLAB_DATA.
        seed: of what controls draw.
        listener: is told of every stage.

    Returns:
        ``{"model", "domain", "trained", "same_data", "split", "scoring_version", "scores",
        "controls"}``. ``trained`` and ``same_data`` are what the model's lineage says: whether it
        was trained on a domain of that name, and on just these data. The last two are as
        ``arms[arm][domain]`` and ``controls[domain]`` of result.json.

    Raises:
        TransferlabError: the domain or the model cannot be used, in one sentence.
    """
    data = _domain(domain, tasks, domains=domains, data_root=data_root)
    trained = data.name in named.trained_on
    with stage_events(listener, "loading the model"):
        backbone = named.load()
    check_answerable(backbone, {data.name: data}, split=section.split)
    section = _with_answer_length(section, backbone, data, listener=listener)
    with stage_events(listener, f"scoring {data.name}"):
        score = score_domain(backbone, data, section, trained=trained, split=section.split)
    controls = {}
    if section.controls:
        with stage_events(listener, f"controls of {data.name}"):
            controls = score_controls(
                backbone, data, data.splits["train"], section=section, decode=decode, seed=seed
            )
    scores = arms_record({"model": {data.name: score}}, confidence=section.confidence)
    return {
        "model": named.section.model if named.adapter is None else str(named.adapter),
        "domain": {
            "name": data.name,
            "version": data.version,
            "digest": data.digest,
            "licence": data.licence,
        },
        "trained": trained,
        "same_data": named.lineage.get("data", {}).get(data.name) == data.digest,
        "split": section.split,
        "scoring_version": SCORING_VERSION,
        "scores": scores["model"][data.name],
        "controls": controls_record({data.name: controls})[data.name],
    }


def _with_answer_length(
    section: EvaluationSection, backbone: HFBackbone, data: DomainData, *, listener: Listener
) -> EvaluationSection:
    """How long written answers may become, where the section leaves that to the references."""
    if not backbone.writes:
        return section
    known, tokens_of = {data.name: data}, backbone.answer_tokens
    limits = new_token_limits(section, known, tokens_of)
    for sentence in too_long_references(section, known, limits, tokens_of):
        listener(Warned(text=sentence))
    return section.model_copy(update={"max_new_tokens": limits.get(data.name)})


def _domain(
    name: str, tasks: Sequence[str] | None, *, domains: Sequence[Path], data_root: Path | None
) -> DomainData:
    data = load_domain(find_entry(name, domains), data_root=data_root)
    for one in tasks or ():
        if one not in data.tasks:
            raise InputError(
                f"--task {one}: domain '{data.name}' has no such task."
                f"{did_you_mean(one, list(data.tasks))} Tasks: {', '.join(data.tasks)}"
            )
    return only_tasks(data, tasks)
