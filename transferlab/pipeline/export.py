"""Tuned models out of a run: written, loaded again by plain libraries, and compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transferlab.backbone.loader import load_backbone
from transferlab.backbone.reload import adapter_difference
from transferlab.config.pipeline import PipelineConfig
from transferlab.core.protocols import Backbone
from transferlab.core.records import DomainData, Sample
from transferlab.domain.media.audio import decode_audio
from transferlab.domain.media.decoder import decode
from transferlab.errors import TransferlabError
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
                record = _export(one["kind"], backbone, probe, result, out / one["path"], base=out)
            except TransferlabError as error:
                result["exports"][index] = _failed(one, str(error))
                raise
            result["exports"][index] = record
    finally:
        write_result(out, result)
        parts.tracker.log_json(RESULT_FILE, result)


def _failed(record: Mapping[str, Any], reason: str) -> dict[str, Any]:
    return {**record, "status": FAILED, "reason": reason}


def export_result(folder: Path, to: Path | None, *, domains: Sequence[Path] = ()) -> list[Path]:
    """Write the tuned model of a finished run again, from its stages.

    Args:
        folder: a run's directory, with result.json and its stages.
        to: where to; None means ``folder/exports``.
        domains: folders of domains beside the usual search path.

    Returns:
        The folders written.

    Raises:
        InputError: ``folder`` holds no finished run that can be read now.
        ModelError: the reloaded model answers differently.
    """
    result = read_result(folder)
    config = PipelineConfig.model_validate_json(json.dumps(result["pipeline"]))
    loaded = load_domains(config, domains)
    last = train_stage(config, len(config.stream))
    stages = StageStore.of_finished(folder, facts_of(config, loaded), needed=last)
    backbone = load_backbone(
        config.backbone, decode=decode, decode_audio=decode_audio, seed=config.seed
    )
    learned = stages.load_state(last)
    backbone.load_trainable_state(learned["backbone"])
    target = (to or folder / EXPORTS) / "adapter"
    probe = probe_samples(config, loaded)
    record = _export("adapter", backbone, probe, result, target, base=folder)
    if to is None:
        kept = [one for one in result["exports"] if one["path"] != record["path"]]
        write_result(folder, {**result, "exports": [*kept, record]})
    return [target]


def probe_samples(config: PipelineConfig, domains: Mapping[str, DomainData]) -> list[Sample]:
    """The first test samples of each stream domain."""
    return [
        sample for name in config.stream for sample in domains[name].splits["test"][:PROBE_SAMPLES]
    ]


def _export(
    kind: str,
    backbone: Backbone,
    probe: Sequence[Sample],
    result: Mapping[str, Any],
    folder: Path,
    *,
    base: Path,
) -> dict[str, Any]:
    model = TunedModel(
        backbone=backbone,
        card=render_card(result, after=result["pipeline"]["stream"][-1]),
        probe=probe,
        adapter_difference=lambda written: adapter_difference(backbone, written, probe),
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
    }
