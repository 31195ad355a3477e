"""L2 to the start (Li, Grandvalet & Davoine 2018): strength * sum (theta - anchor)^2."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from transferlab.continual.components.quadratic_penalty import QuadraticPenalty, flatten
from transferlab.continual.options.base import Needs, Strength
from transferlab.continual.options.penalty import PenaltyOptions
from transferlab.core.lazy import no_grad, torch

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


class L2Options(PenaltyOptions):
    """L2 to the start: every parameter is held near its anchor, all alike."""

    family: ClassVar[str] = "penalty"
    paper: ClassVar[str] = "Li, Grandvalet & Davoine 2018 (L2-SP), arXiv:1802.01483"
    use: ClassVar[str] = (
        "As the plainest protection, and as the control for ewc: where it does as well, the "
        "importances tell nothing."
    )
    needs: ClassVar[Needs] = Needs(
        keeps="one number per trainable parameter", copies=1, adds_gradient=True, anchors=True
    )

    strength: Strength = "auto"
    """The penalty is strength * sum (theta - anchor)^2; "auto" counts in units, as for `ewc`."""
    anchor: Literal["latest", "start"] = "latest"
    """Where parameters are held: where the last domain left them, or where they were before any."""


class L2(QuadraticPenalty):
    """Every parameter is as important as every other."""

    name = "l2"
    Options = L2Options

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        if self.options.anchor == "start" and self._anchor is None:
            self._hold_here(trainer)

    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        if self.options.anchor == "latest":
            self._hold_here(trainer)

    @no_grad
    def _hold_here(self, trainer: TrainerView) -> None:
        self._anchor = flatten(trainer.trainable)
        importance = self.calibrate(trainer, torch.ones_like(self._anchor))
        self._importance = importance[0].clone()  # one number for all of them
