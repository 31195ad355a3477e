"""How much a training step keeps for its backward pass, found by one on a sample or two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers.modeling_layers import GradientCheckpointingLayer

from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.view import innermost
from transferlab.core.records import Sample

EXAMINED = 16
"""So many samples are looked at for the longest."""


@dataclass(frozen=True, kw_only=True)
class Activations:
    """Bytes as a straight line over the samples that go through the model at once."""

    fixed_bytes: int
    per_sample_bytes: int
    passed_per_sample_bytes: int
    """Of everything that the forward pass makes, kept or not."""
    media_per_sample_bytes: int
    """Of the processed pictures and sounds, which are kept between epochs."""

    def bytes_for(self, samples: int) -> int:
        return max(0, self.fixed_bytes + samples * self.per_sample_bytes)

    def passed_bytes_for(self, samples: int) -> int:
        return samples * self.passed_per_sample_bytes


def measure_activations(
    backbone: HFBackbone, samples: Sequence[Sample], *, autocast: torch.dtype | None
) -> Activations:
    """Run one and two of the longest sample forwards and count what is kept.

    What is kept are the distinct tensors that autograd saves, without the weights; beside them a
    backward pass needs room for gradients of the largest two. With gradient checkpointing those
    of the largest layer come on top, which are made again.

    Args:
        backbone: left as it was; no gradient is computed.
        samples: at least one; the first few are looked at.
        autocast: the precision of forward passes; None where it is the weights'.
    """
    chosen = samples[:EXAMINED]
    longest = max(chosen, key=lambda s: len(backbone.collator.prompt(s).ids))
    one, two = (_needed(backbone, [longest] * count, autocast) for count in (1, 2))
    with _everything_kept(backbone):
        passed, _ = _saved(backbone, [longest], autocast, layers=())
    batches = [backbone.collate([sample])[0] for sample in chosen]
    media = [sum(t.nbytes for t in (*b.media.values(), *b.beside.values())) for b in batches]
    return Activations(
        fixed_bytes=2 * one - two,
        per_sample_bytes=two - one,
        passed_per_sample_bytes=sum(passed),
        media_per_sample_bytes=sum(media) // len(media),
    )


@contextmanager
def _everything_kept(backbone: HFBackbone) -> Iterator[None]:
    """As if every parameter were trained and nothing computed again."""
    model = backbone.model
    frozen = [p for p in model.parameters() if p.is_floating_point() and not p.requires_grad]
    again = _checkpointed(model)
    for parameter in frozen:
        parameter.requires_grad_(True)
    for layer in again:
        layer.gradient_checkpointing = False
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
        for layer in again:
            layer.gradient_checkpointing = True


def _checkpointed(model: nn.Module) -> list[nn.Module]:
    return [
        module
        for module in innermost(model).modules()
        if isinstance(module, GradientCheckpointingLayer) and module.gradient_checkpointing
    ]


def _needed(backbone: HFBackbone, samples: Sequence[Sample], autocast: torch.dtype | None) -> int:
    layers = _checkpointed(backbone.model)
    kept, _ = _saved(backbone, samples, autocast, layers=())
    needed = sum(kept) + sum(sorted(kept)[-2:])
    if not layers:
        return needed
    for layer in layers:
        layer.gradient_checkpointing = False
    try:
        _, by_layer = _saved(backbone, samples, autocast, layers=layers)
    finally:
        for layer in layers:
            layer.gradient_checkpointing = True
    return needed + max(by_layer.values(), default=0)


def _saved(
    backbone: HFBackbone,
    samples: Sequence[Sample],
    autocast: torch.dtype | None,
    *,
    layers: Sequence[nn.Module],
) -> tuple[list[int], Counter[nn.Module]]:
    """Bytes of every distinct tensor that autograd keeps, weights left out; and by layer."""
    batch, targets = backbone.collate(samples)
    batch, targets = batch.to(backbone.device), targets.to(backbone.device)
    weights = {p.untyped_storage().data_ptr() for p in backbone.model.parameters()}
    kept: dict[int, int] = {}
    by_layer: Counter[nn.Module] = Counter()
    running: list[nn.Module] = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights | kept.keys():
            kept[storage.data_ptr()] = storage.nbytes()
            by_layer.update(dict.fromkeys(running[-1:], storage.nbytes()))
        return tensor

    def leave(*_: object) -> None:
        running.pop()

    hooks = [layer.register_forward_pre_hook(lambda m, _: running.append(m)) for layer in layers]
    hooks += [layer.register_forward_hook(leave) for layer in layers]
    gpu = [backbone.device] if backbone.device.type == "cuda" else []
    training = backbone.module.training
    backbone.module.train()
    try:
        with (
            torch.random.fork_rng(devices=gpu),
            torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
            torch.autocast(backbone.device.type, dtype=autocast, enabled=autocast is not None),
        ):
            # Held until counted: a freed tensor's place could be taken by another.
            loss = cross_entropy(backbone.module(batch).float(), targets)
            sizes = list(kept.values())
            del loss
    finally:
        backbone.module.train(training)
        for hook in hooks:
            hook.remove()
    return sizes, by_layer
