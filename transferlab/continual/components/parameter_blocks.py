"""Parameters in blocks, of which every domain trains some and leaves the others as they are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from transferlab.continual.components.gradients import gradients_of
from transferlab.continual.components.strategy import DatasetOf, Strategy
from transferlab.core.lazy import nn, no_grad, torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView

Blocks: TypeAlias = "list[tuple[nn.Parameter, Callable[[Tensor], Tensor]]]"
"""A parameter, and how a tensor of its shape is viewed with its blocks in the first dimension."""


class OwnBlocks(Strategy):
    """Lets a domain train the blocks ``_mine``; those before it belong to past domains."""

    def __init__(self, options: Any, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._used = 0
        """Blocks that belong to past domains."""
        self._mine = slice(0, 0)
        self._before: list[Tensor] = []
        self._stood: list[Tensor] = []

    @abstractmethod
    def blocks(self, trainer: TrainerView) -> Blocks:
        """The parameters that come in blocks."""

    def still(self, trainer: TrainerView) -> Sequence[Tensor]:
        """Parameters that no step changes."""
        return ()

    @no_grad
    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        for gradient in gradients_of(self.still(trainer)):
            gradient.zero_()
        for parameter, view in self.blocks(trainer):
            gradient = view(gradients_of([parameter])[0])
            gradient[: self._mine.start].zero_()
            gradient[self._mine.stop :].zero_()

    @no_grad
    def before_update(self, trainer: TrainerView, **kwargs) -> None:
        # Weight decay moves parameters without a gradient too.
        if any(group["weight_decay"] for group in trainer.optimizer.param_groups):
            self._before = [one.detach().clone() for one, _ in self.blocks(trainer)]
            self._stood = [one.detach().clone() for one in self.still(trainer)]

    @no_grad
    def after_update(self, trainer: TrainerView, **kwargs) -> None:
        if self._stood:
            torch._foreach_copy_(list(self.still(trainer)), self._stood)
        for (parameter, view), old in zip(self.blocks(trainer), self._before, strict=False):
            now, then = view(parameter.detach()), view(old)
            now[: self._mine.start].copy_(then[: self._mine.start])
            now[self._mine.stop :].copy_(then[self._mine.stop :])

    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        self._before, self._stood = [], []
        if trainer.settings.epochs:
            self._used = self._mine.stop

    def state_dict(self) -> dict[str, Any]:
        return {"used": self._used}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self._used = int(state["used"])
