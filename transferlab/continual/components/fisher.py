"""Means over samples of what each sample's own gradient is: the Fisher diagonal, and the like.

    F = mean over samples n of (d/d theta log p(y_n | x_n))^2

where log p(y | x) sums over the answer's tokens. Squaring the gradient of a batch-mean loss, as is
often done, gives another number, one that depends on the batch size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from transferlab.continual.components.gradients import EXACT, Precision
from transferlab.continual.components.per_sample_gradients import (
    SampleGradients,
    Uses,
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
    module: ModelView,
    batches: Iterable[Batch],
    *,
    generator: torch.Generator | None = None,
    precision: Precision = EXACT,
) -> Tensor:
    """The Fisher diagonal over all samples of ``batches``.

    Args:
        module: called as ``module(batch)``; gives (n_supervised, vocab) logits. In eval mode.
        batches: on the module's device.
        generator: a CPU generator. With it, tokens are drawn from the model at each supervised
            position (the Fisher); without it, the answers of the data are taken (the empirical
            Fisher).
        precision: of the passes.

    Returns:
        (number of trainable parameters,) float32, in the order of ``module.named_parameters()``.
    """

    def loss(logits: Tensor, batch: Batch) -> Tensor:
        return _summed_loss(logits, batch.targets(), generator)

    return mean_over_samples(
        module,
        batches,
        loss=loss,
        fold=torch.square,
        precision=precision,
        generators=[generator] if generator is not None else [],
    )


def mean_over_samples(
    module: ModelView,
    batches: Iterable[Batch],
    *,
    loss: SummedLoss,
    fold: Fold,
    precision: Precision = EXACT,
    generators: Sequence[torch.Generator] = (),
) -> Tensor:
    """The mean over samples of ``fold(gradient of the sample's loss)``.

    Args:
        module: called as ``module(batch)``; gives (n_supervised, vocab) logits. In eval mode.
        batches: on the module's device.
        loss: a batch's, summed over samples; no sample's loss may depend on another.
        fold: applied to every number of a sample's gradient.
        precision: of the passes. Where a gradient overflows in float16, its batch goes through
            again at half the scale, and so do those after it.
        generators: that ``loss`` draws from, so that it draws the same when it is asked again.

    Returns:
        (number of trainable parameters,) float32, in the order of ``module.named_parameters()``.
    """
    parameters = dict(module.named_parameters())
    one_pass = _Pass(module, parameters, uses_of(module, parameters), loss, fold, precision)
    total = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in parameters.items()}
    samples = 0
    for batch in batches:
        samples += len(batch)
        states = [one.get_state() for one in generators]
        while not one_pass.add(total, batch):
            for one, state in zip(generators, states, strict=True):
                one.set_state(state)
    return torch.cat([one.reshape(-1) for one in total.values()]) / max(samples, 1)


class _Pass:
    """One batch after another through the model, with the precision that holds its gradients."""

    def __init__(
        self,
        module: ModelView,
        parameters: Mapping[str, nn.Parameter],
        uses: Uses | None,
        loss: SummedLoss,
        fold: Fold,
        precision: Precision,
    ) -> None:
        self._module, self._parameters, self._uses = module, parameters, uses
        self._loss, self._fold = loss, fold
        self._autocast, self._scale = precision

    def add(self, total: Mapping[str, Tensor], batch: Batch) -> bool:
        """Add the folded gradients of the batch's samples.

        Returns:
            False, with nothing added and the scale halved, where one overflowed.
        """
        scaled = self._scale != 1.0
        found = {name: torch.zeros_like(one) for name, one in total.items()} if scaled else total
        if self._uses is None or not self._add_together(found, self._uses, batch):
            self._add_one_by_one(found, batch)
        if not scaled:
            return True
        if not all(bool(one.isfinite().all()) for one in found.values()):
            self._scale = max(1.0, self._scale / 2)
            return False
        torch._foreach_add_(list(total.values()), list(found.values()))
        return True

    def _add_together(self, found: Mapping[str, Tensor], uses: Uses, batch: Batch) -> bool:
        """The sum with one forward and one backward pass.

        Returns:
            False, with nothing added, where an activation's rows cannot be told apart by sample.
        """
        if self._module.forward_count(batch) > 1:
            return False

        def take(name: str, several: Tensor) -> None:
            found[name].add_(self._folded(several).sum(dim=0))

        gradients = SampleGradients(uses, self._parameters, batch, take)
        with gradients.watch():
            summed = self._summed(batch)
            if gradients.separable:
                gradients.backward(summed)
        return gradients.separable

    def _add_one_by_one(self, found: Mapping[str, Tensor], batch: Batch) -> None:
        """The same sum with a forward and a backward pass for every sample."""
        parameters = list(self._parameters.values())
        for sample in batch:
            gradients = torch.autograd.grad(self._summed(sample), parameters, allow_unused=True)
            for sums, gradient in zip(found.values(), gradients, strict=True):
                if gradient is not None:
                    sums.add_(self._folded(gradient.float()))

    def _folded(self, gradient: Tensor) -> Tensor:
        return self._fold(gradient if self._scale == 1.0 else gradient / self._scale)

    def _summed(self, batch: Batch) -> Tensor:
        """The batch's loss times the scale; the backward pass is left out of the autocast."""
        with self._autocast:
            return self._loss(self._module(batch), batch) * self._scale


def _summed_loss(logits: Tensor, targets: Tensor, generator: torch.Generator | None) -> Tensor:
    """- sum over tokens of log p: of the targets, or with a generator of tokens drawn from p."""
    if generator is not None:
        chances = logits.detach().float().softmax(dim=-1).cpu()
        drawn = torch.multinomial(chances, 1, generator=generator)
        targets = drawn.squeeze(1).to(logits.device)
    return nn.functional.cross_entropy(logits.float(), targets, reduction="sum")
