"""How much memory and disk a pipeline will need, before it is run."""

from __future__ import annotations

import gc
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import psutil
import torch

from transferlab.backbone.inference.step_memory import (
    Activations,
    LoadedModel,
    measure_activations,
)
from transferlab.backbone.loader import load_backbone
from transferlab.backbone.processing.media_encoder import CACHE_BYTES
from transferlab.config.pipeline import PipelineConfig
from transferlab.continual.engine.precision import autocast_dtype
from transferlab.continual.options.compatibility import read_options
from transferlab.core.records import DomainData, MediaRef, Sample
from transferlab.domain.media.audio import decode_audio
from transferlab.domain.media.decoder import decode

RECORDS_BYTES = 20 * 2**20
"""Of tables, figures and logs; measured on the shipped pipelines it is less."""
HEAP = 0.45
"""On a CPU, the share of what a forward pass makes and frees again that the process holds on to all
the same: it lies in holes between tensors that are kept, too small for the next one of its size.
Found on the configurations of benchmarks/memory_estimate.py (Linux, glibc 2.36); on a GPU only
tensors are counted."""
EXAMINED = 4
"""So many samples of each domain say how large its processed media are."""
MOMENTS = {"adamw": 2, "sgd": 0}
"""By optimizer: numbers kept per trained one."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """What one arm holds in memory at its peak, in bytes."""

    arm: str
    process: int
    """Python, the libraries and the samples, as resident memory; 0 on a GPU."""
    media: int
    """Processed pictures and sounds, which are kept between epochs; 0 on a GPU."""
    weights: int
    gradients: int
    optimizer: int
    activations: int
    strategy: int

    @property
    def total(self) -> int:
        return sum(value for value in asdict(self).values() if isinstance(value, int))


def estimate_memory(
    config: PipelineConfig,
    backbone: LoadedModel,
    *,
    loaded: Mapping[str, DomainData],
    train: Mapping[str, Sequence[Sample]],
) -> dict[str, Any]:
    """The peak of every arm that trains, JSON-safe.

    Scoring is left out: it keeps no gradients, and needs less than training as long as
    ``evaluation.batch_samples`` is of the size of ``train.batch_samples``.

    Args:
        config: the pipeline.
        backbone: as the stream gets it.
        loaded: every domain.
        train: the training samples that are used.

    Returns:
        ``{"arms": [...], "peak_bytes": int, "available_bytes": int, "device": str}``; an arm has
        the fields of ``Need`` and ``total``.
    """
    samples = _spread([train[name] for name in config.stream])
    autocast = autocast_dtype(config.train, backbone.device)
    adapted = measure_activations(backbone, samples, autocast=autocast)
    size = _Sizes.of(backbone)
    # Now that a little has gone through the model: what the first use of the libraries' parts costs
    # is in it.
    process = _process_bytes(backbone) - size.weights
    needs = list(_adapted_needs(config, size, adapted, strategies=bool(config.strategy)))
    if "scratch" in config.arms:
        fresh = load_backbone(
            config.backbone,
            decode=decode,
            decode_audio=decode_audio,
            seed=config.seed,
            fresh=True,
            sharing=cast("Any", backbone),  # it is what load_backbone made
        )
        whole = measure_activations(fresh, samples, autocast=autocast)
        needs.append(_scratch_need(config, size, _Sizes.of(fresh), whole))
    scored = {name: data.splits.get(config.evaluation.split, ()) for name, data in loaded.items()}
    media = _media_bytes(backbone, {name: (*train[name], *scored[name]) for name in loaded})
    arms = [_on_device(need, process, media, backbone.device) for need in needs]
    return {
        "arms": [asdict(need) | {"total": need.total} for need in arms],
        "peak_bytes": max(need.total for need in arms),
        "available_bytes": _available_bytes(backbone.device, held=process + size.weights),
        "device": str(backbone.device),
    }


def estimate_disk(config: PipelineConfig, backbone: LoadedModel, out: Path) -> dict[str, int]:
    """What the output directory will hold, and what is free there, in bytes."""
    size, domains = _Sizes.of(backbone), len(config.stream)
    states = domains * (1 + _stored_copies(config))
    states += domains * ("single" in config.arms) + ("joint" in config.arms)
    states += bool(config.export)
    whole = domains * ("scratch" in config.arms) * size.weights
    existing = next(at for at in (out, *out.absolute().parents) if at.exists())
    return {
        "needed_bytes": states * size.trainable + whole + RECORDS_BYTES,
        "free_bytes": shutil.disk_usage(existing).free,
    }


@dataclass(frozen=True, kw_only=True)
class _Sizes:
    weights: int
    trainable: int
    on_gpu: bool

    @classmethod
    def of(cls, backbone: LoadedModel) -> _Sizes:
        tensors = [*backbone.model.parameters(), *backbone.model.buffers()]
        return cls(
            weights=sum(t.nbytes for t in tensors),
            trainable=sum(p.nbytes for p in backbone.module.parameters()),
            on_gpu=backbone.device.type == "cuda",
        )


def _adapted_needs(
    config: PipelineConfig, size: _Sizes, activations: Activations, *, strategies: bool
) -> Iterator[Need]:
    moments = MOMENTS[config.train.optimizer]
    own = {
        "process": 0,
        "media": 0,
        "gradients": size.trainable,
        "optimizer": moments * size.trainable,
    }
    yield Need(
        arm="sequential",
        weights=size.weights,
        activations=_held(activations, config, size, strategies=strategies),
        strategy=_stored_copies(config) * size.trainable,
        **own,
    )
    for arm in ("single", "joint"):
        if arm in config.arms:
            # The stream's model, with its last gradients, is kept for its scores and its export.
            yield Need(
                arm=arm,
                weights=2 * size.weights + size.trainable,
                activations=_held(activations, config, size, strategies=False),
                strategy=size.trainable,  # the values that every domain starts from
                **own,
            )


def _scratch_need(
    config: PipelineConfig, stream: _Sizes, fresh: _Sizes, activations: Activations
) -> Need:
    return Need(
        arm="scratch",
        process=0,
        media=0,
        weights=stream.weights + stream.trainable + fresh.weights,
        gradients=fresh.trainable,
        optimizer=MOMENTS[config.train.optimizer] * fresh.trainable,
        activations=_held(activations, config, fresh, strategies=False),
        strategy=fresh.trainable,
    )


def _held(
    activations: Activations, config: PipelineConfig, size: _Sizes, *, strategies: bool
) -> int:
    """What a step's activations take from the device."""
    samples = _samples_at_once(config, strategies=strategies)
    tensors = activations.bytes_for(samples)
    return tensors if size.on_gpu else tensors + round(HEAP * activations.freed_bytes_for(samples))


def _samples_at_once(config: PipelineConfig, *, strategies: bool) -> int:
    """Samples of a micro-batch, those that a rehearsal adds included."""
    ratios = [getattr(read_options(spec), "batch_ratio", 0) for spec in config.strategy]
    added = sum(ratios) if strategies else 0
    step = config.train.batch_samples + round(added * config.train.batch_samples)
    return math.ceil(step / config.train.accumulation_steps)


def _stored_copies(config: PipelineConfig) -> int:
    """How many tensors of the trained parameters' size the strategies hold."""
    domains = len(config.stream) + (config.source is not None and config.protect_source)
    copies = 0
    for spec in config.strategy:
        options = read_options(spec)
        own = options.needs.copies + options.needs.previous_model
        separate = getattr(options, "mode", None) == "separate"
        copies += own * (domains if separate or options.needs.copies_per_domain else 1)
    return copies


def _media_bytes(backbone: LoadedModel, used: Mapping[str, Sequence[Sample]]) -> int:
    """Processed media that will be kept, each once however many samples ask about it.

    Args:
        backbone: its processor makes a few of them now.
        used: by domain, the samples that are trained on or scored.
    """
    total = 0
    for samples in used.values():
        first: dict[tuple[MediaRef, ...], Sample] = {}
        for sample in samples:
            if sample.media:
                first.setdefault(sample.media, sample)
        collated = [backbone.collate([one])[0] for one in list(first.values())[:EXAMINED]]
        sizes = [
            sum(t.nbytes for t in (*b.media.values(), *b.extra_inputs.values())) for b in collated
        ]
        total += len(first) * sum(sizes) // max(1, len(sizes))
    return min(CACHE_BYTES, total)


def _spread(groups: Sequence[Sequence[Sample]]) -> list[Sample]:
    """Samples of all groups in turn, so that the first few come from each."""
    longest = max(len(group) for group in groups)
    return [group[at] for at in range(longest) for group in groups if at < len(group)]


def _process_bytes(backbone: LoadedModel) -> int:
    if backbone.device.type == "cuda":
        return _Sizes.of(backbone).weights
    gc.collect()
    return psutil.Process(os.getpid()).memory_info().rss


def _on_device(need: Need, process: int, media: int, device: torch.device) -> Need:
    if device.type == "cuda":
        return need
    return replace(need, process=max(0, process), media=media)


def _available_bytes(device: torch.device, *, held: int) -> int:
    """What the run may use: what is free now, and what this process will give back."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available + held
