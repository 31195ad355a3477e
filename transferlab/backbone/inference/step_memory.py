"""How much a training step keeps for its backward pass, found by one on a sample or two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple, Protocol
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import PreTrainedModel

from transferlab.backbone.model.checkpointing import checkpointed_layers
from transferlab.backbone.model.view import TrainableView
from transferlab.backbone.processing.collator import Collator
from transferlab.core.batch import Batch
from transferlab.core.records import Sample

EXAMINED = 16
"""So many samples are looked at for the longest."""


class LoadedModel(Protocol):
    """What of a backbone a step goes through."""

    model: PreTrainedModel
    module: TrainableView
    collator: Collator

    def collate(self, samples: Sequence[Sample]) -> tuple[Batch, Tensor]: ...

    @property
    def device(self) -> torch.device: ...


@dataclass(frozen=True, kw_only=True)
class Activations:
    """Bytes as a straight line over the samples that go through the model at once."""

    fixed_bytes: int
    per_sample_bytes: int
    freed_fixed_bytes: int
    """Of what operations make in a forward pass and nobody keeps: what does not grow with the
    samples, such as the product of an adapter's two matrices."""
    freed_per_sample_bytes: int
    """Likewise, for every sample."""

    def bytes_for(self, samples: int) -> int:
        return max(0, self.fixed_bytes + samples * self.per_sample_bytes)

    def freed_bytes_for(self, samples: int) -> int:
        return max(0, self.freed_fixed_bytes + samples * self.freed_per_sample_bytes)


def measure_activations(
    backbone: LoadedModel, samples: Sequence[Sample], *, autocast: torch.dtype | None
) -> Activations:
    """Run one and two of the longest sample forwards and count what is kept.

    What is kept are the distinct tensors that autograd saves, without the weights; beside them a
    backward pass needs room for gradients of the largest two. With gradient checkpointing those
    of the largest layer come on top, which are made again. What operations make and nobody keeps is
    counted apart.

    Args:
        backbone: left as it was; no gradient is computed.
        samples: at least one; the first few are looked at.
        autocast: the precision of forward passes; None where it is the weights'.
    """
    chosen = samples[:EXAMINED]
    longest = max(chosen, key=lambda s: len(backbone.collator.prompt(s).ids))
    one, two = (_needed(backbone, [longest] * count, autocast) for count in (1, 2))
    return Activations(
        fixed_bytes=2 * one.saved_bytes - two.saved_bytes,
        per_sample_bytes=two.saved_bytes - one.saved_bytes,
        freed_fixed_bytes=2 * one.freed - two.freed,
        freed_per_sample_bytes=two.freed - one.freed,
    )


class _Needed(NamedTuple):
    """Bytes of one step."""

    saved_bytes: int
    freed: int


class _Pass(NamedTuple):
    """One forward pass."""

    saved: list[int]
    """Bytes of every distinct tensor that autograd keeps, weights left out."""
    by_layer: Counter[nn.Module]
    """Of these, what each of the layers that were asked about keeps."""
    made: int
    """Bytes of all that operations made; 0 on a GPU, where what is freed is used again."""


class _Saved:
    """A tensor in autograd's keeping, for as long as it is there."""

    def __init__(self, tensor: Tensor, layer: nn.Module | None) -> None:
        self.tensor, self.layer = tensor, layer

    @property
    def bytes(self) -> int:
        return self.tensor.untyped_storage().nbytes()


class _Made(TorchDispatchMode):
    """Adds up what operations make; views, and what is written in place, are nothing new."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        given = {one.untyped_storage().data_ptr() for one in _tensors((args, kwargs))}
        storages = {one.untyped_storage().data_ptr(): one for one in _tensors(made)}
        self.bytes += sum(
            one.untyped_storage().nbytes() for at, one in storages.items() if at not in given
        )
        return made


def _tensors(tree: Any) -> list[Tensor]:
    return [one for one in tree_leaves(tree) if isinstance(one, Tensor)]


def _needed(
    backbone: LoadedModel, samples: Sequence[Sample], autocast: torch.dtype | None
) -> _Needed:
    layers: list[Any] = checkpointed_layers(backbone.model)
    once = _forward(backbone, samples, autocast, layers=())
    saved_bytes = sum(once.saved)
    room = sum(sorted(once.saved)[-2:])
    needed = _Needed(saved_bytes=saved_bytes + room, freed=max(0, once.made - saved_bytes))
    if not layers:
        return needed
    for layer in layers:
        layer.gradient_checkpointing = False
    try:
        by_layer = _forward(backbone, samples, autocast, layers=layers).by_layer
    finally:
        for layer in layers:
            layer.gradient_checkpointing = True
    return needed._replace(saved_bytes=needed.saved_bytes + max(by_layer.values(), default=0))


def _forward(
    backbone: LoadedModel,
    samples: Sequence[Sample],
    autocast: torch.dtype | None,
    *,
    layers: Sequence[nn.Module],
) -> _Pass:
    batch, targets = backbone.collate(samples)
    batch, targets = batch.to(backbone.device), targets.to(backbone.device)
    weights = {p.untyped_storage().data_ptr() for p in backbone.model.parameters()}
    alive: WeakValueDictionary[int, _Saved] = WeakValueDictionary()
    numbers = count()
    running: list[nn.Module | None] = [None]

    def pack(tensor: Tensor) -> _Saved:
        saved = _Saved(tensor, running[-1])
        alive[next(numbers)] = saved
        return saved

    def leave(*_: object) -> None:
        running.pop()

    hooks = [layer.register_forward_pre_hook(lambda m, _: running.append(m)) for layer in layers]
    hooks += [layer.register_forward_hook(leave) for layer in layers]
    gpu = [backbone.device] if backbone.device.type == "cuda" else []
    counted = nullcontext() if gpu else _Made()
    training = backbone.module.training
    backbone.module.train()
    try:
        with (
            torch.random.fork_rng(devices=gpu),
            torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved.tensor),
            torch.autocast(backbone.device.type, dtype=autocast, enabled=autocast is not None),
            counted as made,
        ):
            loss = cross_entropy(backbone.module(batch).float(), targets)
    finally:
        backbone.module.train(training)
        for hook in hooks:
            hook.remove()
    # What belongs to a graph that was let go on the way is no longer alive.
    saved_bytes = _distinct(alive.values(), weights)
    del loss
    by_layer: Counter[nn.Module] = Counter()
    for layer, size in saved_bytes:
        by_layer.update({layer: size} if layer is not None else {})
    return _Pass(
        saved=[size for _, size in saved_bytes],
        by_layer=by_layer,
        made=0 if made is None else made.bytes,
    )


def _distinct(
    saved: Iterable[_Saved], weights: Container[int]
) -> list[tuple[nn.Module | None, int]]:
    """Layer and bytes of every memory that is not a weight's, under the first that saved it."""
    owners: dict[int, _Saved] = {}
    for one in saved:
        owners.setdefault(one.tensor.untyped_storage().data_ptr(), one)
    return [(one.layer, one.bytes) for at, one in owners.items() if at not in weights]
