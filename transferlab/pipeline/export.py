"""Tuned models out of a run: written, loaded again by plain libraries, and compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transferlab.backbone.loader import load_backbone
from transferlab.backbone.reload import adapter_difference, reload_tolerance
from transferlab.config.pipeline import PipelineConfig
from transferlab.continual.options.registry import OPTIONS
from transferlab.core.protocols import Backbone
from transferlab.core.records import DomainData, Sample
from transferlab.domain.media.audio import decode_audio
from transferlab.domain.media.decoder import decode
from transferlab.errors import InputError, TransferlabError
from transferlab.export.card import render_card
from transferlab.export.exporter import EXPORTERS, Exporter, TunedModel
from transferlab.pipeline.build import Parts, facts_of, load_domains
from transferlab.pipeline.result import (
    DONE,
    EXPORTS,
    FAILED,
    RESULT_FILE,
    read_result,
    write_result,
)
from transferlab.pipeline.sequential import train_stage
from transferlab.pipeline.stages import StageStore

PROBE_SAMPLES = 4
"""Test samples whose logits the reloaded model must reproduce."""


def export_models(parts: Parts, backbone: Backbone, result: dict[str, Any], out: Path) -> None:
    """Write what the pipeline's ``export:`` asks for, and its status into the result.

    Args:
        parts: the experiment.
        backbone: as it is after the last step.
        result: complete and on disk; its ``exports`` are replaced, and it is written again.
        out: the run's directory; models go to ``out/exports``.

    Raises:
        TransferlabError: a model could not be written, or the reloaded one answers differently.
            The result says which and why.
    """
    if not result["exports"]:
        return
    probe = probe_samples(parts.config, parts.domains)
    try:
        for index, one in enumerate(result["exports"]):
            result["exports"][index] = _failed(one, "it did not come to its end")
            try:
                record = _export(
                    one["kind"], backbone, probe, result, out / one["path"], base=out,
                    prompts=prompts_of(parts.config, parts.domains),
                )  # fmt: skip
            except TransferlabError as error:
                result["exports"][index] = _failed(one, str(error))
                raise
            result["exports"][index] = record
    finally:
        write_result(out, result)
        parts.tracker.log_json(RESULT_FILE, result)


def _failed(record: Mapping[str, Any], reason: str) -> dict[str, Any]:
    return {**record, "status": FAILED, "reason": reason}


def export_result(
    folder: Path,
    to: Path | None,
    *,
    domains: Sequence[Path] = (),
    trust_remote_code: bool = False,
) -> list[Path]:
    """Write the tuned model of a finished run again, from its stages.

    Of a strategy that answers each sample with one of several adapters, each domain's is written.

    Args:
        folder: a run's directory, with result.json and its stages.
        to: where to; None means ``folder/exports``.
        domains: folders of domains beside the usual search path.
        trust_remote_code: whether code that comes with the backbone may run. What the result says
            of it is not asked: it may be a stranger's.

    Returns:
        The folders written.

    Raises:
        InputError: ``folder`` holds no finished run that can be read now, or its backbone runs code
            that is not trusted.
        ModelError: the reloaded model answers differently.
    """
    result = read_result(folder)
    if not trust_remote_code:
        _refuse_code(folder, result["pipeline"])
    config = PipelineConfig.model_validate_json(json.dumps(result["pipeline"]))
    loaded = load_domains(config, domains)
    last = train_stage(config, len(config.stream))
    stages = StageStore.of_finished(folder, facts_of(config, loaded), needed=last)
    backbone = load_backbone(
        config.backbone, decode=decode, decode_audio=decode_audio, seed=config.seed
    )
    probe = probe_samples(config, loaded)
    names = _adapter_names(config, routed=any(_routing(result["pipeline"])))
    records = []
    for step, name in names.items():
        learned = stages.load_state(train_stage(config, step))
        backbone.load_trainable_state(learned["backbone"])
        target, after = (to or folder / EXPORTS) / name, config.stream[step - 1]
        records.append(
            _export(
                "adapter",
                backbone,
                probe,
                result,
                target,
                base=folder,
                after=after,
                prompts=prompts_of(config, loaded),
            )
        )
    if to is None:
        paths = {record["path"] for record in records}
        others = [one for one in result["exports"] if one["path"] not in paths]
        write_result(folder, {**result, "exports": [*others, *records]})
    return [(to or folder / EXPORTS) / name for name in names.values()]


def _adapter_names(config: PipelineConfig, *, routed: bool) -> dict[int, str]:
    """The folder of each adapter, by the step after which it is taken: the last, or every one."""
    if not routed:
        return {len(config.stream): "adapter"}
    return {step: f"adapter-{domain}" for step, domain in enumerate(config.stream, start=1)}


def _routing(pipeline: Mapping[str, Any]) -> Iterator[str]:
    """The strategies of a result's pipeline that answer with one of several adapters."""
    for one in pipeline["strategy"]:
        if one["name"] in OPTIONS and OPTIONS[one["name"]].needs.routes:
            yield one["name"]


def probe_samples(config: PipelineConfig, domains: Mapping[str, DomainData]) -> list[Sample]:
    """The first test samples of each stream domain."""
    return [
        sample for name in config.stream for sample in domains[name].splits["test"][:PROBE_SAMPLES]
    ]


def prompts_of(config: PipelineConfig, domains: Mapping[str, DomainData]) -> dict[str, Any]:
    """By domain of the stream and task: how it was asked; labels are the data's own where
    domain.yaml lists none. Nothing else of any sample."""
    return {
        name: {
            task: {**question, "choices": question["choices"] or _labels(domains[name], task)}
            for task, question in domains[name].questions.items()
        }
        for name in config.stream
    }


def _labels(data: DomainData, task: str) -> list[str] | None:
    """The choices that all samples of a task share; None for a task of free text."""
    found = (sample.choices for sample in data.splits["train"] if sample.task == task)
    return list(next(found, ())) or None


def _export(
    kind: str,
    backbone: Backbone,
    probe: Sequence[Sample],
    result: Mapping[str, Any],
    folder: Path,
    *,
    base: Path,
    prompts: Mapping[str, Any],
    after: str | None = None,
) -> dict[str, Any]:
    routed_by = next(iter(_routing(result["pipeline"])), None)
    model = TunedModel(
        backbone=backbone,
        card=render_card(
            result, after=after or result["pipeline"]["stream"][-1], routed_by=routed_by
        ),
        prompts=prompts,
        probe=probe,
        adapter_difference=lambda written: adapter_difference(backbone, written, probe),
        tolerance=reload_tolerance(backbone, probe),
    )
    exporter: Exporter = EXPORTERS.get(kind)()
    record = exporter.export(model, folder)
    inside = folder.is_relative_to(base)
    return {
        "kind": record.kind,
        "status": DONE,
        "reason": "",
        "path": str(folder.relative_to(base) if inside else folder),
        "files": record.files,
        "total_bytes": record.total_bytes,
        "max_logit_difference": record.max_logit_difference,
        "tolerance": record.tolerance,
    }


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
