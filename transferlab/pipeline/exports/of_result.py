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
from transferlab.pipeline.exports.models import TrainedModel, routed_by, select
from transferlab.pipeline.exports.writer import Writer
from transferlab.pipeline.result import EXPORTS, read_result, write_result
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
    records, written = [], []
    backbone: Backbone | None = None
    for model in models:
        own = _config_of(config, model)
        stages = StageStore.of_finished(folder, facts, needed=model.stage)
        if backbone is None or _uses_up(kinds):
            backbone = None  # freed before the next is loaded: never two in memory
            backbone = load_backbone(
                own.backbone,
                decode=decode,
                decode_audio=decode_audio,
                seed=config.seed,
                fresh=model.fresh,
            )
        state = stages.load_state(model.stage)
        backbone.load_trainable_state(state["backbone"] if model.step else state)
        targets = [(to or folder / EXPORTS) / _folder(model, kind, result) for kind in kinds]
        writer = Writer(
            config=own, domains=loaded, result=result, weights=facts.weights, base=folder
        )
        records += writer.write(kinds, model, backbone, targets)
        written += targets
    if to is None:
        paths = {record["path"] for record in records}
        others = [one for one in result["exports"] if one["path"] not in paths]
        write_result(folder, {**result, "exports": [*others, *records]})
    return written


def _folder(model: TrainedModel, kind: str, result: Mapping[str, Any]) -> str:
    """A routed run has an adapter per domain: each goes by its name."""
    if model.arm == "sequential" and routed_by(result):
        return f"{kind}-{model.domain}"
    return model.folder(kind)


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
