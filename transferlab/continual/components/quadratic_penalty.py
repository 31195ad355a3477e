"""Penalties that hold parameters near an anchor, each by its own importance.

    penalty = strength * (sum over parameters i of  F_i (theta_i - c_i)^2  + constant)

Its gradient, 2 * strength * F * (theta - c), is added to the parameters' own after the backward
pass: that is a tenth of the work of a penalty in the loss, and it counts once per step however the
step is split into micro-batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from transferlab.continual.components.gradients import gradients_of
from transferlab.continual.components.strategy import DatasetOf, Strategy
from transferlab.continual.components.strength import signed_step
from transferlab.continual.options.penalty import PenaltyOptions
from transferlab.core.lazy import no_grad, torch
from transferlab.core.seeding import derive_seed
from transferlab.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView

CALIBRATION = 3


class QuadraticPenalty(Strategy):
    """A penalty per name: subclasses say what is important after each domain."""

    def __init__(self, options: PenaltyOptions, *, seed: int, **stock: Any) -> None:
        super().__init__(options, seed=seed, **stock)
        self._calibrated = options.strength == "auto"
        self._units = (options.units or 1.0) if self._calibrated else float(options.strength)
        self._importance: Tensor | None = None
        """(trainable parameters,) float32, in the order of ``named_parameters()``; F above. Or
        (), for all alike."""
        self._anchor: Tensor | None = None
        """(trainable parameters,) float32; c above."""
        self._constant = 0.0

    def before_backward(self, trainer: TrainerView, **kwargs) -> None:
        """Nothing: where Avalanche adds the penalty to the loss, its gradient is added later."""

    @no_grad
    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        """Add the penalty's gradient to the parameters' own."""
        if self._importance is None or self._anchor is None:
            return
        away = flatten(trainer.trainable).sub_(self._anchor)
        pull = self._importance * away
        gradients = gradients_of(trainer.trainable)
        torch._foreach_add_(gradients, unflatten(pull, gradients), alpha=2 * self._units)
        self.terms[f"{self.name}_penalty"] = self._units * (pull.dot(away) + self._constant)

    def calibrate(self, trainer: TrainerView, importance: Tensor) -> Tensor:
        """A domain's importances in the unit of ``strength: auto``; else as they are.

        A displacement r u, with u the signs of a gradient (see ``calibrate.signed_step``), diverges
        by c r^2 nats per supervised token; its penalty is r^2 * sum(F) over the parameters that it
        moves. One unit makes both equal.
        """
        if not self._calibrated:
            return importance
        seed = derive_seed(self.seed, trainer.clock.train_exp_counter, CALIBRATION)
        cost, signs = signed_step(trainer, seed=seed)
        total = float((importance * signs.abs()).sum())
        if total == 0:
            return importance  # nothing was found important, so there is nothing to scale
        return importance * (cost / total)

    def state_bytes(self) -> int:
        return sum(t.nbytes for t in (self._importance, self._anchor) if t is not None)

    def state_dict(self) -> dict[str, Any]:
        if self._importance is None or self._anchor is None:
            return {}
        return {
            "importance": self._importance.cpu(),
            "anchor": self._anchor.cpu(),
            "constant": self._constant,
        }

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self._importance = self._anchor = None
        self._constant = float(state.get("constant", 0.0))
        if state:
            self._importance = state["importance"].clone()
            self._anchor = state["anchor"].clone()

    def before_training(self, trainer: TrainerView, **kwargs) -> None:
        """Bring a loaded state to the device, and check that it is about these parameters."""
        if self._importance is None or self._anchor is None:
            return
        check_size(self.name, self._anchor.numel(), trainer.trainable)
        self._importance = self._importance.to(trainer.device)
        self._anchor = self._anchor.to(trainer.device)


def check_size(name: str, size: int, trainable: Sequence[Tensor]) -> None:
    """
    Raises:
        ModelError: a loaded state of ``kept`` numbers is about other parameters.
    """
    numbers = sum(parameter.numel() for parameter in trainable)
    if numbers != size:
        raise ModelError(
            f"the {name} state in the checkpoint is about {size} trainable parameters and the "
            f"adapter has {numbers}; resume with the adapter settings of the run that wrote it"
        )


def flatten(tensors: Sequence[Tensor]) -> Tensor:
    """All numbers of the tensors in one (n,) float32 copy."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).float()


def unflatten(flat: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Pieces of ``flat`` in the shapes and dtypes of ``like``."""
    pieces = zip(flat.split([tensor.numel() for tensor in like]), like, strict=True)
    if all(tensor.dtype == flat.dtype for tensor in like):
        return [piece.view_as(tensor) for piece, tensor in pieces]  # as `to` would, faster
    return [piece.view_as(tensor).to(tensor.dtype) for piece, tensor in pieces]
