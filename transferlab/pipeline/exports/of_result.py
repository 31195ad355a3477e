"""Models of a finished run, written again from its stages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transferlab.backbone.loader import load_backbone
from transferlab.config.pipeline import PipelineConfig
from transferlab.core.protocols import Backbone
from transferlab.domain.media.audio import decode_audio
from transferlab.domain.media.decoder import decode
from transferlab.errors import InputError
from transferlab.export.exporter import EXPORTERS
from transferlab.pipeline.build import facts_of, load_domains
from transferlab.pipeline.exports.models import TrainedModel, select
from transferlab.pipeline.exports.writer import Writer
from transferlab.pipeline.result import EXPORTS, read_result, write_result
from transferlab.pipeline.stage_facts import StageFacts
from transferlab.pipeline.stages import StageStore


def export_result(
    folder: Path,
    to: Path | None,
    *,
    kinds: Sequence[str] = ("adapter",),
    arm: str | None = None,
    domain: str | None = None,
    step: int | None = None,
    best: bool = False,
    domains: Sequence[Path] = (),
    trust_remote_code: bool = False,
) -> list[Path]:
    """Write models of a finished run in the formats ``kinds``, from its stages.

    Args:
        folder: a run's directory, with result.json and its stages.
        to: where to; None means ``folder/exports``.
        kinds: names of ``EXPORTERS``.
        arm, domain, step, best: which models, as ``select`` has them.
        domains: folders of domains beside the usual search path.
        trust_remote_code: whether code that comes with the backbone may run. What the result says
            of it is not asked: it may be a stranger's.

    Returns:
        The folders written.

    Raises:
        InputError: ``folder`` holds no finished run that can be read now, there is no such model or
            it does not fit the format, or its backbone runs code that is not trusted.
        ModelError: the reloaded model answers differently.
    """
    result = read_result(folder)
    if not trust_remote_code:
        _refuse_code(folder, result["pipeline"])
    models = select(result, arm=arm, domain=domain, step=step, best=best)
    config = PipelineConfig.model_validate_json(json.dumps(result["pipeline"]))
    for model in models:
        _check_formats(kinds, config, model)
    loaded = load_domains(config, domains)
    facts = facts_of(config, loaded)
    written: list[Path] = []
    for model, backbone in _trained(folder, config, facts, models, anew=_uses_up(kinds)):
        targets = [(to or folder / EXPORTS) / model.folder(kind) for kind in kinds]
        writer = Writer(
            config=_config_of(config, model),
            domains=loaded,
            result=result,
            weights=facts.weights,
            base=folder,
        )
        records = writer.write(kinds, model, backbone, targets)
        del backbone  # or it would be held while the next is loaded
        if to is None:  # noted at once: a later model may fail
            result = _with_exports(result, records)
            write_result(folder, result)
        written += targets
    return written


def _trained(
    folder: Path,
    config: PipelineConfig,
    facts: StageFacts,
    models: Sequence[TrainedModel],
    *,
    anew: bool,
) -> Iterator[tuple[TrainedModel, Backbone]]:
    """Each model's backbone with its parameters, never two in memory.

    Args:
        anew: whether what is done with one leaves it unfit for the next.
    """
    backbone: Backbone | None = None
    for model in models:
        stages = StageStore.of_finished(folder, facts, needed=model.stage)
        if backbone is None or anew:
            backbone = None  # freed before the next is loaded
            backbone = load_backbone(
                _config_of(config, model).backbone,
                decode=decode,
                decode_audio=decode_audio,
                seed=config.seed,
                fresh=model.fresh,
            )
        state = stages.load_state(model.stage)
        backbone.load_trainable_state(state["backbone"] if model.step else state)
        yield model, backbone


def _with_exports(
    result: Mapping[str, Any], records: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The result with these exports in the place of earlier ones at their paths."""
    paths = {record["path"] for record in records}
    others = [one for one in result["exports"] if one["path"] not in paths]
    return {**result, "exports": [*others, *records]}


def _uses_up(kinds: Sequence[str]) -> bool:
    return any(EXPORTERS.get(kind).consumes for kind in kinds)


def _check_formats(kinds: Sequence[str], config: PipelineConfig, model: TrainedModel) -> None:
    """Before anything is loaded: whether the model can be written so at all.

    Raises:
        InputError: it cannot, with the reason.
    """
    own = _config_of(config, model)
    for kind in kinds:
        for reason in EXPORTERS.get(kind)().misfits(own):
            raise InputError(f"--as {kind}: {model.name} cannot be written so: {reason}")


def _config_of(config: PipelineConfig, model: TrainedModel) -> PipelineConfig:
    """The pipeline by which a model is loaded again: one from random values is whole weights."""
    if not model.fresh:
        return config
    whole = config.backbone.model_copy(update={"adapter": None, "quantization": None})
    return config.model_copy(update={"backbone": whole})


def _refuse_code(folder: Path, pipeline: Mapping[str, Any]) -> None:
    """Look before the pipeline is read as one, which imports the strategies that it names."""
    backbone = pipeline.get("backbone") or {}
    if backbone.get("trust_remote_code"):
        raise InputError(
            f"{folder}: its backbone '{backbone.get('model')}' runs code of its own; read that "
            "code, then give --trust-remote-code: a result cannot say so itself"
        )
    for name in _named_code(pipeline):
        raise InputError(
            f"{folder}: its pipeline names the Python code '{name}'; look at it, then give "
            "--trust-remote-code: a result cannot say so itself"
        )


def _named_code(pipeline: Mapping[str, Any]) -> Iterator[str]:
    """Dotted paths by which a pipeline names somebody's code."""
    names = [*(one.get("name", "") for one in pipeline["strategy"]), *pipeline.get("export", [])]
    names += (pipeline.get("similarity") or {}).get("measures") or []
    yield from (name for name in names if ":" in name)
