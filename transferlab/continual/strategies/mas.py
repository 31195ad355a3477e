"""Memory aware synapses (Aljundi et al. 2018).

A parameter's importance is the mean over samples of |d ||f(x)||^2 / d theta|, with f(x) the logits
at a supervised position, averaged over a sample's positions; no answer is looked at. The anchor is
where the last domain left the parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from transferlab.continual.components.fisher import mean_over_samples
from transferlab.continual.components.gradients import (
    batches_over,
    collate,
    evaluating,
    gradient,
    per_sample,
    upcast,
)
from transferlab.continual.components.quadratic_penalty import QuadraticPenalty, flatten
from transferlab.core.batch import Batch

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


class MAS(QuadraticPenalty):
    """Importances from the sensitivity of the logits."""

    name = "mas"

    @torch.no_grad()
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        with torch.enable_grad():
            found = sensitivity(trainer) if self.options.variant == "paper" else stock(trainer)
        new, alpha = self.calibrated(trainer, found), self.options.alpha
        old = self._importance
        self._importance = new if old is None else alpha * old + (1 - alpha) * new
        self._anchor = flatten(trainer.trainable)


def sensitivity(trainer: TrainerView) -> Tensor:
    """(trainable parameters,) float32: the mean over samples of the gradient's magnitude."""

    def squared_norms(logits: Tensor, batch: Batch) -> Tensor:
        return per_sample(upcast(logits).square().sum(dim=1), batch).sum()

    with evaluating(trainer.model):
        return mean_over_samples(
            trainer.model,
            batches_over(trainer, trainer.experience.dataset),
            loss=squared_norms,
            fold=torch.abs,
        )


def stock(trainer: TrainerView) -> Tensor:
    """Avalanche's: magnitudes of gradients of mini-batch means, averaged over mini-batches."""
    trainer.model.train()
    dataset, size = trainer.experience.dataset, trainer.train_mb_size
    starts = range(0, len(dataset), size)
    total = torch.zeros_like(flatten(trainer.trainable))
    for start in starts:
        batch = collate(trainer, dataset, range(start, min(start + size, len(dataset))))[0]
        total += flatten(gradient(trainer, batch, mean_squared_norm)[1]).abs()
    return total / len(starts)


def mean_squared_norm(logits: Tensor, targets: Tensor, batch: Batch) -> Tensor:
    return upcast(logits).square().sum(dim=1).mean()
