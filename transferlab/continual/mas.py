"""Memory aware synapses (Aljundi et al. 2018).

A parameter's importance is the mean over samples of |d ||f(x)||^2 / d theta|, with f(x) the logits
at a supervised position, averaged over a sample's positions; no answer is looked at. The anchor is
where the last domain left the parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from transferlab.continual.fisher import mean_over_samples
from transferlab.continual.passes import (
    batches_over,
    collate,
    evaluating,
    gradient,
    per_sample,
    widened,
)
from transferlab.continual.quadratic import QuadraticPenalty, flatten
from transferlab.core.batch import Batch

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate


class MAS(QuadraticPenalty):
    """Importances from the sensitivity of the logits."""

    name = "mas"

    @torch.no_grad()
    def after_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        with torch.enable_grad():
            found = sensitivity(strategy) if self.options.variant == "paper" else stock(strategy)
        new, alpha = self.calibrated(strategy, found), self.options.alpha
        old = self._importance
        self._importance = new if old is None else alpha * old + (1 - alpha) * new
        self._anchor = flatten(strategy.trainable)


def sensitivity(strategy: MLLMTemplate) -> Tensor:
    """(trainable parameters,) float32: the mean over samples of the gradient's magnitude."""

    def squared_norms(logits: Tensor, batch: Batch) -> Tensor:
        return per_sample(widened(logits).square().sum(dim=1), batch).sum()

    with evaluating(strategy.model):
        return mean_over_samples(
            strategy.model,
            batches_over(strategy, strategy.experience.dataset),
            loss=squared_norms,
            fold=torch.abs,
        )


def stock(strategy: MLLMTemplate) -> Tensor:
    """Avalanche's: magnitudes of gradients of mini-batch means, averaged over mini-batches."""
    strategy.model.train()
    dataset, size = strategy.experience.dataset, strategy.train_mb_size
    starts = range(0, len(dataset), size)
    total = torch.zeros_like(flatten(strategy.trainable))
    for start in starts:
        batch = collate(strategy, dataset, range(start, min(start + size, len(dataset))))[0]
        total += flatten(gradient(strategy, batch, mean_squared_norm)[1]).abs()
    return total / len(starts)


def mean_squared_norm(logits: Tensor, targets: Tensor, batch: Batch) -> Tensor:
    return widened(logits).square().sum(dim=1).mean()
