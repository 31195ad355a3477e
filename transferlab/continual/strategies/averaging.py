"""Averages that take the parameters' place after a domain: over its steps, or with the start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from transferlab.continual.components.strategy import Strategy
from transferlab.continual.options.averaging import EMAOptions, InterpolateOptions

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


class EMA(Strategy):
    """average <- d * average + (1 - d) * theta after every step, d = min(decay, (1+t)/(10+t))."""

    def __init__(self, options: EMAOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._average: list[Tensor] = []

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        self._average = [parameter.detach().clone() for parameter in trainer.trainable]

    @torch.no_grad()
    def after_update(self, trainer: TrainerView, **kwargs) -> None:
        step = trainer.recorder.steps
        decay = min(self.options.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._average, trainer.trainable, 1 - decay)

    def stage_state(self) -> dict[str, Any]:
        return {"average": [one.cpu() for one in self._average]}

    def load_stage_state(self, state: Mapping[str, Any]) -> None:
        torch._foreach_copy_(self._average, state["average"])

    @torch.no_grad()
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        torch._foreach_copy_(trainer.trainable, self._average)
        self._average = []


class Interpolate(Strategy):
    """theta <- (1 - new_share) * theta before the domain + new_share * theta after it."""

    def __init__(self, options: InterpolateOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._before: list[Tensor] = []

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        self._before = [parameter.detach().clone() for parameter in trainer.trainable]

    @torch.no_grad()
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        back = 1 - self.options.new_share
        torch._foreach_lerp_(trainer.trainable, self._before, back)
        self._before = []
