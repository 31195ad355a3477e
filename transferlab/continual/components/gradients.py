"""Passes through the model beside those of a training step, and what they leave behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from transferlab.core.batch import Batch, on_device
from transferlab.core.lazy import nn, torch
from transferlab.core.peak_memory import is_out_of_memory

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.avalanche_api import AvalancheDataset
    from transferlab.continual.components.trainer_view import TrainerView
    from transferlab.core.protocols import ModelView

TokenLoss: TypeAlias = "Callable[[Tensor, Tensor, Batch], Tensor]"
"""(n, vocab) logits, (n,) targets and their batch to the mean loss over the n tokens."""


class Precision(NamedTuple):
    """Of passes through the model."""

    autocast: AbstractContextManager
    """Of one forward pass; entered anew for each, as weights may change in between."""
    scale: float
    """What a loss is multiplied by before its backward pass, so that float16 can hold it."""


EXACT = Precision(nullcontext(), 1.0)
"""That of the weights."""


def training_precision(trainer: TrainerView) -> Precision:
    """That of the training steps."""
    return Precision(trainer.autocast(), trainer.loss_scale)


def cross_entropy(logits: Tensor, targets: Tensor, batch: Batch) -> Tensor:
    return nn.functional.cross_entropy(upcast(logits), targets)


def batches_over(trainer: TrainerView, dataset: AvalancheDataset) -> Iterator[Batch]:
    """The dataset's samples in order, in batches of the size that goes through at once."""
    size = trainer.micro_batch_samples
    for start in range(0, len(dataset), size):
        yield collate(trainer, dataset, range(start, min(start + size, len(dataset))))[0]


def collate(trainer: TrainerView, dataset: AvalancheDataset, rows: Sequence[int]) -> list:
    """The mini-batch ``[x, y, t]`` of some of a dataset's samples, on the device."""
    return [part.to(trainer.device) for part in dataset.collate_fn([dataset[i] for i in rows])]


def token_rows(batch: Batch) -> Tensor:
    """(n_supervised,) int64: to which sample each supervised token belongs."""
    return on_device(batch.answer_positions()[0], batch.device)


def per_sample(values: Tensor, batch: Batch) -> Tensor:
    """(B,): the mean over each sample's supervised tokens of (n_supervised,) values."""
    rows = token_rows(batch)
    sums = values.new_zeros(len(batch)).index_add_(0, rows, values)
    counts = torch.bincount(rows, minlength=len(batch)).clamp(min=1)
    return sums / counts


@contextmanager
def evaluation_mode(module: nn.Module) -> Iterator[None]:
    """The module without dropout, and then as it was."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)


@contextmanager
def capture_outputs(module: ModelView) -> Iterator[list[Tensor]]:
    """Inside, every forward pass adds the input of ``module.output_layer`` to the list."""
    outputs: list[Tensor] = []
    handle = module.output_layer.register_forward_pre_hook(lambda _, args: outputs.append(args[0]))
    try:
        yield outputs
    finally:
        handle.remove()


def hidden_states_at_answers(module: ModelView, outputs: Sequence[Tensor], batch: Batch) -> Tensor:
    """(n_supervised, D) of what one forward pass of ``module`` over the batch added to the list."""
    if all(hidden.dim() == 2 for hidden in outputs):
        return torch.cat(list(outputs))
    return module.at_answers(outputs, batch)


def gradients_of(parameters: Sequence[Tensor]) -> list[Tensor]:
    """The parameters' gradients; zeros are put where there are none."""
    found = []
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        found.append(parameter.grad)
    return found


def copy_gradients(trainer: TrainerView) -> list[Tensor]:
    """Copies of the parameters' gradients; in float16, zeros for one that overflowed.

    The scaler leaves such a step out, so nothing has moved along that gradient.
    """
    copies = [found.clone() for found in gradients_of(trainer.trainable)]
    if trainer.loss_scale != 1.0 and not all(bool(one.isfinite().all()) for one in copies):
        torch._foreach_zero_(copies)
    return copies


def gradient(
    trainer: TrainerView, batch: Batch, loss: TokenLoss = cross_entropy, *, again: bool = False
) -> tuple[float, list[Tensor]]:
    """The mean loss over a batch's supervised tokens, and its gradient.

    It goes through the model in micro-batches; the parameters' own gradients are left alone.

    Args:
        trainer: whose model, precision and micro-batches are used.
        batch: on the device.
        loss: of the logits of a micro-batch.
        again: where a gradient overflows in float16, compute it again at half the scale. Only what
            is measured once needs it; a step that overflows is followed by others.

    Returns:
        The loss, and one tensor per trainable parameter. In float16 a gradient that overflows is
        all zeros, as the scaler would leave out such a step.
    """
    scale = trainer.loss_scale
    value, total = _scaled_gradient(trainer, batch, loss, scale)
    while scale > 1.0 and not all(bool(t.isfinite().all()) for t in total):
        if not again:
            torch._foreach_zero_(total)
            break
        scale = max(1.0, scale / 2)
        value, total = _scaled_gradient(trainer, batch, loss, scale)
    return value, total


def _scaled_gradient(
    trainer: TrainerView, batch: Batch, loss: TokenLoss, scale: float
) -> tuple[float, list[Tensor]]:
    """The same, with the loss scaled for its backward passes and the gradient scaled back."""
    total, value = [torch.zeros_like(p) for p in trainer.trainable], 0.0
    tokens, start = batch.answer_tokens, 0
    while start < len(batch):
        piece = batch[start : start + trainer.micro_batch_samples]
        targets = piece.targets()
        share = len(targets) / tokens
        try:
            with torch.enable_grad(), trainer.autocast():
                mean = loss(trainer.model(piece), targets, piece)
                found = torch.autograd.grad(
                    mean * (share * scale), trainer.trainable, allow_unused=True
                )
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or trainer.micro_batch_samples < 2:
                raise
            found = None
        if found is None:  # nothing of the piece has been added
            trainer.halve_micro_batches()
            continue
        start += len(piece)
        value += share * float(mean.detach())
        pairs = [(t, g) for t, g in zip(total, found, strict=True) if g is not None]
        torch._foreach_add_([t for t, _ in pairs], [g for _, g in pairs])
    if scale != 1.0:
        torch._foreach_div_(total, scale)
    return value, total


def dot(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """The scalar product over all tensors, in float32 at least."""
    products = [(upcast(a) * upcast(b)).sum() for a, b in zip(first, second, strict=True)]
    return sum(products[1:], start=products[0])


def cosine(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    """Of two gradients, in [-1, 1]; 0 where one of them is zero."""
    lengths = float((dot(first, first) * dot(second, second)).sqrt())
    return float(dot(first, second)) / lengths if lengths > 0 else 0.0


def upcast(values: Tensor) -> Tensor:
    """Half-precision values as float32, others as they are."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
