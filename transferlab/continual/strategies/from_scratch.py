"""Every domain from the adapter's first values: from_scratch, and GDumb (Prabhu et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from transferlab.continual.components.buffer import ReplayBuffer
from transferlab.continual.components.quadratic_penalty import check_size, flatten, unflatten
from transferlab.continual.components.strategy import DatasetOf, Strategy
from transferlab.continual.options.base import StrategyOptions
from transferlab.continual.options.rehearsal import GDumbOptions, MemoryOptions

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


class FromScratch(Strategy):
    """Puts the parameters back to where they were before the first domain."""

    name = "from_scratch"

    def __init__(self, options: StrategyOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._first: Tensor | None = None
        """(trainable parameters,) float32."""

    @torch.no_grad()
    def before_train_dataset_adaptation(self, trainer: TrainerView, **kwargs) -> None:
        if self._first is None:
            self._first = flatten(trainer.trainable)
            return
        check_size(self.name, self._first.numel(), trainer.trainable)
        first = unflatten(self._first.to(trainer.device), trainer.trainable)
        torch._foreach_copy_(trainer.trainable, first)

    def kept_bytes(self) -> int:
        return 0 if self._first is None else self._first.nbytes

    def state_dict(self) -> dict[str, Any]:
        return {} if self._first is None else {"first": self._first.cpu()}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self._first = state["first"].clone() if "first" in state else None


class GDumb(FromScratch):
    """A class-balanced memory, and training on it alone."""

    name = "gdumb"

    def __init__(self, options: GDumbOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        size = MemoryOptions(memory_samples=options.memory_samples, policy="class_balanced")
        self.memory = ReplayBuffer(size, name=self.name)

    def after_train_dataset_adaptation(self, trainer: TrainerView, **kwargs) -> None:
        self.memory.take_in(trainer)
        trainer.adapted_dataset = self.memory.policy.buffer

    def kept_bytes(self) -> int:
        return super().kept_bytes() + self.memory.kept_bytes()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "memory": self.memory.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state, dataset_of)
        self.memory.load_state_dict(state["memory"], dataset_of)
