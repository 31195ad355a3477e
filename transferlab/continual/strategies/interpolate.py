"""Interpolation with the values before the domain (Wortsman et al. 2022, WiSE-FT)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from transferlab.continual.components.strategy import Strategy
from transferlab.continual.options.base import Needs, StrategyOptions
from transferlab.core.lazy import no_grad, torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


class InterpolateOptions(StrategyOptions):
    """After each domain, the parameters go back part of the way to where they were before it."""

    family: ClassVar[str] = "averaging"
    paper: ClassVar[str] = "Wortsman et al. 2022 (WiSE-FT), arXiv:2109.01903"
    use: ClassVar[str] = (
        "Where a little of the new domain may be given for much of the old ones, and nothing of "
        "them is at hand: it needs no sample and no pass."
    )
    needs: ClassVar[Needs] = Needs(moves_afterwards=True)

    new_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """How much of the way that the parameters came is kept."""


class Interpolate(Strategy):
    """theta <- (1 - new_share) * theta before the domain + new_share * theta after it."""

    name = "interpolate"
    Options = InterpolateOptions

    def __init__(self, options: InterpolateOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._before: list[Tensor] = []

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        self._before = [parameter.detach().clone() for parameter in trainer.trainable]

    @no_grad
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        back = 1 - self.options.new_share
        torch._foreach_lerp_(trainer.trainable, self._before, back)
        self._before = []
