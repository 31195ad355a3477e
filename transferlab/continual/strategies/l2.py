"""L2 to the start (Li, Grandvalet & Davoine 2018): strength * sum (theta - anchor)^2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from transferlab.continual.components.quadratic_penalty import QuadraticPenalty, flatten

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


class L2(QuadraticPenalty):
    """Every parameter is as important as every other."""

    name = "l2"

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        if self.options.anchor == "start" and self._anchor is None:
            self._hold_here(trainer)

    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        if self.options.anchor == "latest":
            self._hold_here(trainer)

    @torch.no_grad()
    def _hold_here(self, trainer: TrainerView) -> None:
        self._anchor = flatten(trainer.trainable)
        importance = self.calibrated(trainer, torch.ones_like(self._anchor))
        self._importance = importance[0].clone()  # one number for all of them
