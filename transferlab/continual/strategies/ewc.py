"""Elastic weight consolidation (Kirkpatrick et al. 2017; "online": Schwarz et al. 2018).

The loss on a new domain gains

    penalty = strength * sum over past domains k and parameters i of  F_ki (theta_i - theta*_ki)^2

with F_k the Fisher diagonal after domain k, and theta*_k the parameters then. A sum of parabolas is
a parabola: with F = sum_k F_k and the anchor c = sum_k F_k theta*_k / F, the penalty is
strength * (sum F (theta - c)^2 + constant). So both modes keep two numbers per trainable parameter,
however long the stream is. Mode "online" weakens F by ``decay`` at each new domain and moves the
anchor to the latest parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from transferlab.continual.avalanche_api import AvalancheDataset, EWCPlugin
from transferlab.continual.components.fisher import exact_fisher
from transferlab.continual.components.gradients import batches_over
from transferlab.continual.components.quadratic_penalty import QuadraticPenalty, flatten
from transferlab.continual.options.penalties import EWCOptions
from transferlab.core.seeding import derive_seed

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView

SUBSET, LABELS = 1, 2


class EWC(QuadraticPenalty, EWCPlugin):
    """Avalanche's plugin, with the exact Fisher and an analytic gradient of the penalty."""

    name = "ewc"

    def __init__(self, options: EWCOptions, *, seed: int) -> None:
        super().__init__(
            options,
            seed=seed,
            ewc_lambda=options.strength,
            mode=options.mode,
            decay_factor=None if options.mode == "separate" else options.decay or 1.0,
        )

    @torch.no_grad()
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        """Measure what the domain needs, and add it to what earlier ones need."""
        new = self.calibrated(trainer, self.importance_of(trainer))
        here = flatten(trainer.trainable)
        if self._importance is None:
            self._importance, self._anchor = new, here
        elif self.mode == "online":
            self._importance, self._anchor = self._importance.mul_(self.decay_factor) + new, here
        else:
            self._add_parabola(new, here)

    def _add_parabola(self, new: Tensor, here: Tensor) -> None:
        """F1 (t - c1)^2 + F2 (t - c2)^2 = F (t - c)^2 + (F1 F2 / F) (c1 - c2)^2."""
        both = self._importance + new
        # Where no domain needs a parameter, the anchor is of no consequence.
        weight = torch.where(both > 0, new / both, 0.0)
        apart = here - self._anchor
        self._constant += float((self._importance * weight).dot(apart.square()))
        self._anchor = self._anchor + weight * apart
        self._importance = both

    @torch.enable_grad()
    def importance_of(self, trainer: TrainerView) -> Tensor:
        """The importance of every trainable parameter for the current experience, float32."""
        count = trainer.clock.train_exp_counter
        dataset = self._subset(trainer.experience.dataset, count)
        if self.options.fisher == "batch":
            by_name = self.compute_importances(
                trainer.model,
                trainer._criterion,
                trainer.optimizer,
                dataset,
                trainer.device,
                trainer.train_mb_size,
            )
            trainer.optimizer.zero_grad()
            return flatten([importance.data for importance in by_name.values()])
        drawn = self.options.labels == "model"
        trainer.model.eval()
        return exact_fisher(
            trainer.model,
            batches_over(trainer, dataset),
            generator=self._generator(count, LABELS) if drawn else None,
        )

    def _subset(self, dataset: AvalancheDataset, experience: int) -> AvalancheDataset:
        limit = self.options.fisher_samples
        if limit is None or limit >= len(dataset):
            return dataset
        order = torch.randperm(len(dataset), generator=self._generator(experience, SUBSET))
        return dataset.subset(sorted(order[:limit].tolist()))

    def _generator(self, experience: int, purpose: int) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.seed, experience, purpose))
