"""What a run would do, without doing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transferlab.backbone.loader import load_backbone
from transferlab.config.pipeline import PipelineConfig
from transferlab.core.records import DomainData, Sample
from transferlab.domain.media.audio import decode_audio
from transferlab.domain.media.decoder import decode
from transferlab.pipeline.arms import joint_budget, same_as_stream, steps_of
from transferlab.pipeline.build import load_domains, training_samples
from transferlab.pipeline.resources import estimate_disk, estimate_memory
from transferlab.pipeline.sample_validation import check_answerable
from transferlab.tracking.store import client_class


def dry_run(
    config: PipelineConfig, *, domains: Sequence[Path] = (), out: Path = Path("runs")
) -> dict[str, Any]:
    """The steps, samples, parameters, memory and disk of a pipeline; trains nothing.

    Data and backbone are loaded, and one or two samples go through the model.

    Args:
        config: a pipeline whose schema is sound.
        domains: folders of domains beside the usual search path.
        out: where the run would write; need not be there.

    Returns:
        ``{"domains": [...], "steps": [...], "parameters": {...}, "memory": {...}, "disk": {...}}``,
        JSON-safe. A step has ``arm``, ``domain``, ``train_samples`` and ``optimizer_steps``; for
        the last two see ``estimate_memory`` and ``estimate_disk``.

    Raises:
        InputError, DataError, ModelError: what the run itself would raise before training.
    """
    client_class()  # a run imports it, so that its size is part of the process
    loaded = load_domains(config, domains)
    train = training_samples(config, loaded)
    backbone = load_backbone(
        config.backbone, decode=decode, decode_audio=decode_audio, seed=config.seed
    )
    check_answerable(backbone, loaded, split=config.evaluation.split)
    return {
        "memory": estimate_memory(config, backbone, loaded=loaded, train=train),
        "disk": estimate_disk(config, backbone, out),
        "domains": _domains(config, loaded, train),
        "steps": _steps(config, train),
        "parameters": {
            "trainable": backbone.trainable_parameters,
            "total": backbone.total_parameters,
        },
    }


def _domains(
    config: PipelineConfig, loaded: Mapping[str, DomainData], train: Mapping[str, Sequence[Sample]]
) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "role": "source" if name == config.source else "stream",
            "samples": {split: len(samples) for split, samples in data.splits.items()},
            "train_samples_used": len(train[name]),
            "quarantined": len(data.quarantined),
        }
        for name, data in loaded.items()
    ]


def _steps(config: PipelineConfig, train: Mapping[str, Sequence[Sample]]) -> list[dict[str, Any]]:
    """Every training of the run, in its order."""
    own = [arm for arm in config.arms if not same_as_stream(config, arm)]
    arms: list[str] = ["sequential", *(arm for arm in own if arm in ("scratch", "single"))]
    found: list[tuple[str, str, int, int | None]] = [
        (arm, name, len(train[name]), steps_of(config.train, name, len(train[name])))
        for arm in arms
        for name in config.stream
    ]
    if "joint" in own:
        samples, budget = joint_budget(config, train)
        found.append(("joint", "all", len(samples), budget.max_steps))
    keys = ("arm", "domain", "train_samples", "optimizer_steps")
    return [dict(zip(keys, one, strict=True)) for one in found]
