"""Synaptic intelligence (Zenke, Poole & Ganguli 2017).

While a domain is trained, each parameter adds up by how much its own movement lowered the loss:

    omega_i = - sum over steps of  g_i * (theta_i after - theta_i before)

and at its end, with D_i the whole way that it has come, its importance grows by
omega_i / (D_i^2 + xi). Avalanche's plugin does the same in loops over parameters, on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from transferlab.continual.components.gradients import copy_gradients
from transferlab.continual.components.quadratic_penalty import QuadraticPenalty, flatten
from transferlab.continual.components.strategy import DatasetOf
from transferlab.continual.options.base import Needs, PositiveFloat
from transferlab.continual.options.penalty import TWO_NUMBERS, PenaltyOptions
from transferlab.core.lazy import no_grad, torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView

AVALANCHE_CLIP = 1e-3


class SIOptions(PenaltyOptions):
    """Synaptic intelligence: a parameter is as important as its path lowered the loss."""

    family: ClassVar[str] = "penalty"
    paper: ClassVar[str] = "Zenke, Poole & Ganguli 2017, arXiv:1703.04200"
    use: ClassVar[str] = (
        "Where the extra pass of ewc is too dear: importances come from the training steps "
        "themselves. It cannot protect the source domain, on which no step was taken."
    )
    needs: ClassVar[Needs] = Needs(keeps=TWO_NUMBERS, copies=2, adds_gradient=True, anchors=True)

    damping: PositiveFloat = 1e-7
    """The xi that keeps parameters which hardly moved from dividing by zero; as in Avalanche."""
    variant: Literal["paper", "avalanche"] = "paper"
    """"paper" follows the gradient of the task loss and counts no importance below zero.
    "avalanche" follows the gradient with the penalty in it, keeps importances below zero and cuts
    those above 0.001."""

    @model_validator(mode="after")
    def _can_be_calibrated(self) -> SIOptions:
        if self.variant == "avalanche" and self.strength == "auto":
            raise ValueError(
                "strength: variant 'avalanche' has importances below zero, which cannot be "
                "calibrated; give a number or set variant: paper"
            )
        return self


class SI(QuadraticPenalty):
    """Importances from the path of the parameters."""

    name = "si"
    Options = SIOptions

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
            self._gradient = copy_gradients(trainer)
        super().after_backward(trainer, **kwargs)
        if not own:
            self._gradient = copy_gradients(trainer)

    @no_grad
    def before_update(self, trainer: TrainerView, **kwargs) -> None:
        torch._foreach_copy_(self._before, trainer.trainable)

    @no_grad
    def after_update(self, trainer: TrainerView, **kwargs) -> None:
        torch._foreach_sub_(self._before, trainer.trainable)  # minus the step
        torch._foreach_addcmul_(self._omega, self._gradient, self._before)

    @no_grad
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        here, path = flatten(trainer.trainable), flatten(self._omega)
        way = here - flatten(self._start)
        new = path / (way.square() + self.options.damping)
        self._omega, self._before, self._gradient, self._start = [], [], [], []
        self._anchor = here
        if self.options.variant == "paper":
            new = self.calibrate(trainer, new.clamp_(min=0))
            self._importance = new if self._importance is None else self._importance + new
            return
        # Avalanche clips what it uses and goes on adding to what it has not clipped.
        self._whole = new if self._whole is None else self._whole + new
        self._importance = self._whole.clamp(max=AVALANCHE_CLIP)

    _whole: Tensor | None = None
    """Variant "avalanche": the importances before the cut."""

    def state_bytes(self) -> int:
        return super().state_bytes() + (0 if self._whole is None else self._whole.nbytes)

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
