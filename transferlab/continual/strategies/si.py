"""Synaptic intelligence (Zenke, Poole & Ganguli 2017).

While a domain is trained, each parameter adds up by how much its own movement lowered the loss:

    omega_i = - sum over steps of  g_i * (theta_i after - theta_i before)

and at its end, with D_i the whole way that it has come, its importance grows by
omega_i / (D_i^2 + xi). Avalanche's plugin does the same in loops over parameters, on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from transferlab.continual.components.gradients import copied_gradients
from transferlab.continual.components.quadratic_penalty import QuadraticPenalty, flatten
from transferlab.continual.components.strategy import DatasetOf
from transferlab.continual.options.penalties import SIOptions

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView

AVALANCHE_CLIP = 1e-3


class SI(QuadraticPenalty):
    """Importances from the path of the parameters."""

    name = "si"

    def __init__(self, options: SIOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._omega: list[Tensor] = []
        self._before: list[Tensor] = []
        self._gradient: list[Tensor] = []
        self._start: list[Tensor] = []

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        self._omega = [torch.zeros_like(p) for p in trainer.trainable]
        self._start = [p.detach().clone() for p in trainer.trainable]
        self._before = [torch.empty_like(p) for p in trainer.trainable]

    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        own = self.options.variant == "paper"
        if own:
            self._gradient = copied_gradients(trainer)
        super().after_backward(trainer, **kwargs)
        if not own:
            self._gradient = copied_gradients(trainer)

    @torch.no_grad()
    def before_update(self, trainer: TrainerView, **kwargs) -> None:
        torch._foreach_copy_(self._before, trainer.trainable)

    @torch.no_grad()
    def after_update(self, trainer: TrainerView, **kwargs) -> None:
        torch._foreach_sub_(self._before, trainer.trainable)  # minus the step
        torch._foreach_addcmul_(self._omega, self._gradient, self._before)

    @torch.no_grad()
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        here, path = flatten(trainer.trainable), flatten(self._omega)
        way = here - flatten(self._start)
        new = path / (way.square() + self.options.damping)
        self._omega, self._before, self._gradient, self._start = [], [], [], []
        self._anchor = here
        if self.options.variant == "paper":
            new = self.calibrated(trainer, new.clamp_(min=0))
            self._importance = new if self._importance is None else self._importance + new
            return
        # Avalanche clips what it uses and goes on adding to what it has not clipped.
        self._whole = new if self._whole is None else self._whole + new
        self._importance = self._whole.clamp(max=AVALANCHE_CLIP)

    _whole: Tensor | None = None
    """Variant "avalanche": the importances before the cut."""

    def kept_bytes(self) -> int:
        return super().kept_bytes() + (0 if self._whole is None else self._whole.nbytes)

    def state_dict(self) -> dict[str, Any]:
        whole = {} if self._whole is None else {"whole": self._whole.cpu()}
        return {**super().state_dict(), **whole}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state, dataset_of)
        self._whole = state["whole"].clone() if "whole" in state else None

    def stage_state(self) -> dict[str, Any]:
        return {"omega": [one.cpu() for one in self._omega]}

    def load_stage_state(self, state: Mapping[str, Any]) -> None:
        torch._foreach_copy_(self._omega, state["omega"])

    def before_training(self, trainer: TrainerView, **kwargs) -> None:
        super().before_training(trainer, **kwargs)
        if self._whole is not None:
            self._whole = self._whole.to(trainer.device)
