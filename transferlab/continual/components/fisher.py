"""Means over samples of what each sample's own gradient is: the Fisher diagonal, and the like.

    F = mean over samples n of (d/d theta log p(y_n | x_n))^2

where log p(y | x) sums over the answer's tokens. Squaring the gradient of a batch-mean loss, as is
often done, gives another number, one that depends on the batch size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from transferlab.continual.components.per_sample_gradients import (
    Uses,
    gradients_by_sample,
    owners_of,
    record_calls,
    uses_of,
)
from transferlab.core.batch import Batch
from transferlab.core.lazy import nn, torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.core.protocols import ModelView

SummedLoss: TypeAlias = "Callable[[Tensor, Batch], Tensor]"
"""(n_supervised, vocab) logits of a batch to a scalar: the sum over its samples of their losses."""

Fold: TypeAlias = "Callable[[Tensor], Tensor]"
"""What is averaged of each number of a sample's gradient, elementwise."""


def exact_fisher(
    module: ModelView, batches: Iterable[Batch], *, generator: torch.Generator | None = None
) -> Tensor:
    """The Fisher diagonal over all samples of ``batches``.

    Args:
        module: called as ``module(batch)``; gives (n_supervised, vocab) logits. In eval mode.
        batches: on the module's device.
        generator: a CPU generator. With it, tokens are drawn from the model at each supervised
            position (the Fisher); without it, the answers of the data are taken (the empirical
            Fisher).

    Returns:
        (number of trainable parameters,) float32, in the order of ``module.named_parameters()``.
    """

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        return _summed_loss(logits, batch.targets(), generator)

    return mean_over_samples(module, batches, loss=loss, fold=torch.square)


def mean_over_samples(
    module: ModelView, batches: Iterable[Batch], *, loss: SummedLoss, fold: Fold
) -> Tensor:
    """The mean over samples of ``fold(gradient of the sample's loss)``.

    Args:
        module: called as ``module(batch)``; gives (n_supervised, vocab) logits. In eval mode.
        batches: on the module's device.
        loss: a batch's, summed over samples; no sample's loss may depend on another.
        fold: applied to every number of a sample's gradient.

    Returns:
        (number of trainable parameters,) float32, in the order of ``module.named_parameters()``.
    """
    parameters = dict(module.named_parameters())
    uses = uses_of(module, parameters)
    total = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in parameters.items()}
    samples = 0
    for batch in batches:
        samples += len(batch)
        if uses is None or not _add_together(total, module, parameters, uses, batch, loss, fold):
            _add_one_by_one(total, module, parameters, batch, loss, fold)
    return torch.cat([one.reshape(-1) for one in total.values()]) / max(samples, 1)


def _add_together(
    total: Mapping[str, Tensor],
    module: ModelView,
    parameters: Mapping[str, nn.Parameter],
    uses: Uses,
    batch: Batch,
    loss: SummedLoss,
    fold: Fold,
) -> bool:
    """Add the batch's folded per-sample gradients with one forward and one backward pass.

    Returns:
        False, with nothing added, where an activation's rows cannot be told apart by sample.
    """
    if module.forward_count(batch) > 1:
        return False
    with record_calls(uses) as calls:
        summed = loss(module(batch), batch)
    outputs = [call.output for made in calls.values() for call in made]
    for output in outputs:
        if output.dim() < 3 or owners_of(output.shape[0], batch, output.device) is None:
            return False
    grad_outputs = iter(torch.autograd.grad(summed, outputs, allow_unused=True))
    sloped = {
        layer: [call._replace(grad_output=next(grad_outputs)) for call in made]
        for layer, made in calls.items()
    }
    for name, parameter in parameters.items():
        for several in gradients_by_sample(uses[name], sloped, parameter, batch):
            total[name].add_(fold(several).sum(dim=0))
    return True


def _add_one_by_one(
    total: Mapping[str, Tensor],
    module: ModelView,
    parameters: Mapping[str, nn.Parameter],
    batch: Batch,
    loss: SummedLoss,
    fold: Fold,
) -> None:
    """The same sum with a forward and a backward pass for every sample."""
    for sample in batch:
        summed = loss(module(sample), sample)
        gradients = torch.autograd.grad(summed, list(parameters.values()), allow_unused=True)
        for sums, gradient in zip(total.values(), gradients, strict=True):
            if gradient is not None:
                sums.add_(fold(gradient.float()))


def _summed_loss(logits: Tensor, targets: Tensor, generator: torch.Generator | None) -> Tensor:
    """- sum over tokens of log p: of the targets, or with a generator of tokens drawn from p."""
    if generator is not None:
        chances = logits.detach().float().softmax(dim=-1).cpu()
        drawn = torch.multinomial(chances, 1, generator=generator)
        targets = drawn.squeeze(1).to(logits.device)
    return nn.functional.cross_entropy(logits.float(), targets, reduction="sum")
