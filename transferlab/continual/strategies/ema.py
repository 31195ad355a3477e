"""A moving average of the parameters over the steps of a domain (Polyak & Juditsky 1992)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from transferlab.continual.components.strategy import Strategy
from transferlab.continual.options.base import Needs, StrategyOptions
from transferlab.core.lazy import no_grad, torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


class EMAOptions(StrategyOptions):
    """A moving average of the parameters over the steps takes their place after each domain."""

    family: ClassVar[str] = "averaging"
    paper: ClassVar[str] = "Polyak & Juditsky 1992; for fine-tuning: Morales-Brotons et al. 2024"
    use: ClassVar[str] = (
        "Beside another strategy, where the last steps of a domain are noisy; it costs one copy of "
        "the trainable parameters while a domain is trained."
    )
    needs: ClassVar[Needs] = Needs(moves_afterwards=True)

    decay: Annotated[float, Field(gt=0, lt=1)] = 0.98
    """What is left of the average at each step; it looks back about 1 / (1 - decay) steps. Early
    steps use (1 + step) / (10 + step) where that is smaller."""


class EMA(Strategy):
    """average <- d * average + (1 - d) * theta after every step, d = min(decay, (1+t)/(10+t))."""

    name = "ema"
    Options = EMAOptions

    def __init__(self, options: EMAOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._average: list[Tensor] = []

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        self._average = [parameter.detach().clone() for parameter in trainer.trainable]

    @no_grad
    def after_update(self, trainer: TrainerView, **kwargs) -> None:
        step = trainer.recorder.steps
        decay = min(self.options.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._average, trainer.trainable, 1 - decay)

    def stage_state(self) -> dict[str, Any]:
        return {"average": [one.cpu() for one in self._average]}

    def load_stage_state(self, state: Mapping[str, Any]) -> None:
        torch._foreach_copy_(self._average, state["average"])

    @no_grad
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        torch._foreach_copy_(trainer.trainable, self._average)
        self._average = []
