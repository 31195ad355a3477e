"""The report of one run, made from the content of its result.json and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferlab.reporting.document import Report, Section, Table
from transferlab.reporting.evidence_sections import (
    cost_section,
    data_section,
    models_section,
    reproduction_section,
    similarity_section,
)
from transferlab.reporting.labels import ARMS
from transferlab.reporting.score_sections import (
    arms_section,
    forgetting_section,
    gains_section,
    matrix_section,
)
from transferlab.reporting.subgroup_section import subgroups_section

Result = Mapping[str, Any]


def run_report(result: Result, *, digest: str) -> Report:
    """Question, answer, and what the answer rests on; no sample, id or text of the data.

    Args:
        result: the content of result.json.
        digest: of result.json, as it stands there.
    """
    pipeline = result["pipeline"]
    return Report(
        title=f"{pipeline['name']}: {_model(pipeline)} on {_then(pipeline['stream'])}",
        subtitle=f"strategy {_strategy(pipeline)}, seed {result['seed']}",
        sections=[
            _question(result),
            _answer(result),
            data_section(result),
            matrix_section(result),
            arms_section(result),
            subgroups_section(result),
            gains_section(result),
            forgetting_section(result),
            similarity_section(result),
            cost_section(result),
            models_section(result),
            reproduction_section(result, digest=digest),
            _limits(),
        ],
    )


def _question(result: Result) -> Section:
    pipeline = result["pipeline"]
    stream, source = pipeline["stream"], pipeline.get("source")
    parts = [f"What does {_model(pipeline)} learn of {_then(stream)} when it is adapted to "]
    parts.append("them one after another" if len(stream) > 1 else "it")
    parts.append(f" with the strategy {_strategy(pipeline)}")
    parts.append("; what does it forget on the way" if len(stream) > 1 or source else "")
    parts.append(f"; and is {source}, on which it was pretrained, a good start?" if source else "?")
    return Section(title="Question", paragraphs=["".join(parts)], blocks=[_settings(result)])


def _settings(result: Result) -> Table:
    pipeline, train = result["pipeline"], result["pipeline"]["train"]
    adapter = pipeline["backbone"].get("adapter")
    limit = train.get("max_steps")
    own = [
        f"{domain} {', '.join(f'{key} {value}' for key, value in changed.items() if value)}"
        for domain, changed in (train.get("per_domain") or {}).items()
    ]
    evaluation = pipeline["evaluation"]
    rows = [
        ["backbone", _model(pipeline)],
        ["trained", _adapter(adapter) if adapter else "every parameter"],
        ["source", pipeline.get("source") or "none"],
        ["stream", _then(pipeline["stream"])],
        ["strategy", _strategy(pipeline, options=True)],
        ["arms", ", ".join(ARMS[arm] for arm in ARMS if arm in result["arms"])],
        [
            "training",
            f"{train['epochs']} epoch(s)"
            + (f", at most {limit} steps" if limit else "")
            + f", {train['batch_samples']} samples a step, learning rate {train['learning_rate']:g}"
            + (f" ({'; '.join(own)})" if own else ""),
        ],
        ["scored on", f"the {evaluation['split']} split"],
    ]
    return Table(head=["setting", "value"], rows=rows, text_columns=2)


def _answer(result: Result) -> Section:
    sentences = [one["text"] for one in result.get("answer") or []]
    if not sentences:
        text = "This run was made by a version that did not write its findings down as sentences."
        return Section(title="Answer", paragraphs=[text])
    note = (
        "Figures in brackets are intervals over test groups (patients, lectures), of one training "
        "with one seed: they do not say how another training would end."
    )
    return Section(title="Answer", items=sentences, paragraphs=[note])


def _limits() -> Section:
    text = (
        "For research. Not a medical device, and not for clinical use. The scores hold for the "
        "test splits named above; data from another hospital, scanner, language or teacher will "
        "score otherwise."
    )
    return Section(title="Limits", paragraphs=[text])


def _model(pipeline: Mapping[str, Any]) -> str:
    """A Hugging Face id as it is; of a local path the last part only."""
    model = pipeline["backbone"]["model"]
    return model.rstrip("/").rpartition("/")[2] if model.startswith(("/", "~", ".")) else model


def _adapter(adapter: Mapping[str, Any]) -> str:
    rank = f", rank {adapter['rank']}" if adapter.get("rank") else ""
    embeddings = ", and the embeddings" if adapter.get("train_embeddings") else ""
    return f"an adapter ({adapter['kind']}{rank}, targets {adapter['targets']}){embeddings}"


def _strategy(pipeline: Mapping[str, Any], *, options: bool = False) -> str:
    named = []
    for one in pipeline["strategy"]:
        chosen = ", ".join(f"{key} {value}" for key, value in (one.get("options") or {}).items())
        named.append(f"{one['name']} ({chosen})" if options and chosen else one["name"])
    return " + ".join(named)


def _then(names: list[str]) -> str:
    return ", then ".join(names)
