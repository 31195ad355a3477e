"""The layers with LoRA on them: which they are, what goes in, and what the loss asks of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias, cast

from transferlab.continual.components.gradients import (
    batches_over,
    collate,
    cross_entropy,
    evaluation_mode,
)
from transferlab.core.lazy import enable_grad, nn, no_grad, torch
from transferlab.core.protocols import HasLoRALayers, LoRALayer
from transferlab.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView

Call: TypeAlias = "Callable[[int, Tensor, Tensor], None]"
"""The number of a layer, its (..., in) input and its (..., out) output."""


def lora_layers(trainer: TrainerView, *, strategy: str) -> list[LoRALayer]:
    """The backbone's layers with LoRA on them, whose matrices are all that is trained.

    Raises:
        ModelError: something else is trained, or nothing is.
    """
    layers = cast(HasLoRALayers, trainer.backbone).lora_layers()
    matrices = {id(one) for layer in layers for one in (layer.down, layer.up)}
    named = dict(trainer.model.named_parameters())
    odd = next((name for name, one in named.items() if id(one) not in matrices), None)
    if odd is not None or not layers:
        raise ModelError(
            f"strategy.{strategy} needs an adapter of LoRA matrices only, and '{odd or 'nothing'}' "
            "is trained; set backbone.adapter with kind: lora and train_embeddings: false"
        )
    return layers


@no_grad
def input_moments(
    trainer: TrainerView, layers: Sequence[LoRALayer], *, samples: int
) -> list[Tensor]:
    """Per layer (in, in), float32 at least: the sum of x x^T over its inputs x on the domain.

    Args:
        trainer: at the domain.
        layers: in any order.
        samples: of the domain at most, spread evenly. One goes through at a time, so that no
            position is padding.
    """
    moments = [_zeros(one.down.shape[1], one.down.shape[1], one.down) for one in layers]

    def add(at: int, inputs: Tensor, output: Tensor) -> None:
        _add_products(moments[at], inputs, inputs)

    dataset = trainer.experience.dataset
    with evaluation_mode(trainer.model), watch_calls(layers, add), trainer.autocast():
        for row in spread(len(dataset), samples):
            trainer.model(collate(trainer, dataset, [row])[0])
    return moments


@enable_grad
def weight_gradients(
    trainer: TrainerView, layers: Sequence[LoRALayer], *, samples: int
) -> list[Tensor]:
    """Per layer (out, in): the gradient of the domain's loss with respect to W, up to a factor.

    W stays frozen: it is the sum of g x^T over a layer's inputs x and the gradients g of its
    outputs. In float16, what overflows is left out, as the scaler would leave out such a step.

    Args:
        trainer: at the domain.
        layers: in any order.
        samples: of the domain at most, spread evenly.
    """
    sums = [_zeros(one.up.shape[0], one.down.shape[1], one.up) for one in layers]
    tokens = 0

    def watch(at: int, inputs: Tensor, output: Tensor) -> None:
        given = inputs.detach()

        def add(gradient: Tensor) -> None:
            if trainer.loss_scale == 1.0 or bool(gradient.isfinite().all()):
                _add_products(sums[at], gradient, given, factor=tokens)

        if output.requires_grad:  # in the first pass of gradient checkpointing it does not
            output.register_hook(add)

    dataset = trainer.experience.dataset
    some = dataset.subset(spread(len(dataset), samples))
    with evaluation_mode(trainer.model), watch_calls(layers, watch):
        for batch in batches_over(trainer, some):
            targets = batch.targets()
            tokens = len(targets)
            with trainer.autocast():
                loss = cross_entropy(trainer.model(batch), targets, batch)
            torch.autograd.grad(loss * trainer.loss_scale, trainer.trainable, allow_unused=True)
    return sums


@no_grad
def block_called_last(trainer: TrainerView, layers: Sequence[LoRALayer]) -> list[int]:
    """The numbers of the layers in the block that a forward pass goes through last.

    In every family that is the last block of the language model, wherever it stands in the model.
    A block is the layers whose names agree up to their first number, as in "...layers.31.mlp.up".
    """
    called = [0]
    dataset = trainer.experience.dataset

    def see(at: int, inputs: Tensor, output: Tensor) -> None:
        called.append(at)

    with evaluation_mode(trainer.model), watch_calls(layers, see), trainer.autocast():
        trainer.model(collate(trainer, dataset, [0])[0])
    numbered = [at for at in called if _block_of(layers[at])]
    last = layers[(numbered or called)[-1]]
    return [at for at, one in enumerate(layers) if _block_of(one) == _block_of(last)]


def _block_of(layer: LoRALayer) -> str:
    """Empty where no part of its name is a number."""
    found = re.match(r"(?:.*?\.)??\d+(?=\.|$)", layer.name)
    return found.group() if found else ""


def spread(count: int, at_most: int) -> list[int]:
    """Evenly spaced numbers of ``range(count)``; all where there are no more."""
    taken = min(count, at_most)
    return [number * count // taken for number in range(taken)]


def _zeros(rows: int, columns: int, like: Tensor) -> Tensor:
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    return torch.zeros(rows, columns, dtype=dtype, device=like.device)


def _add_products(total: Tensor, left: Tensor, right: Tensor, *, factor: float = 1.0) -> None:
    """Add the sum over positions of l r^T, for (..., l) and (..., r)."""
    rows = left.reshape(-1, left.shape[-1]).to(total.dtype)
    columns = right.reshape(-1, right.shape[-1]).to(total.dtype)
    with torch.autocast(total.device.type, enabled=False):
        total.addmm_(rows.T, columns, alpha=factor)


@contextmanager
def watch_calls(layers: Sequence[LoRALayer], see: Call) -> Iterator[None]:
    """Inside, ``see`` gets every call of a layer."""

    def hook_of(at: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            see(at, inputs[0], output)

        return hook

    handles = [one.layer.register_forward_hook(hook_of(at)) for at, one in enumerate(layers)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
