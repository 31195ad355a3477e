"""GDumb (Prabhu, Torr & Dokania 2020): trained anew, on a class-balanced memory alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from transferlab.continual.components.strategy import DatasetOf
from transferlab.continual.options.base import Needs, PositiveInt, StrategyOptions
from transferlab.continual.options.memory import MemoryOptions
from transferlab.continual.strategies.from_scratch import FromScratch

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


class GDumbOptions(StrategyOptions):
    """Greedy sampler, dumb learner: trained anew, on a class-balanced memory and nothing else."""

    family: ClassVar[str] = "baseline"
    paper: ClassVar[str] = "Prabhu, Torr & Dokania 2020 (ECCV)"
    use: ClassVar[str] = (
        "As a control: a strategy that does not beat it has gained nothing from the order of the "
        "stream. The adapter starts from its first values at every domain."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True,
        keeps="the first values of the trainable parameters",
        copies=1,
        chooses_batches=True,
        moves_parameters="back to their first values before each domain",
    )

    memory_samples: PositiveInt = 200
    """How many sample ids are remembered in all; a domain's training sees these only."""


class GDumb(FromScratch):
    """A class-balanced memory, and training on it alone."""

    name = "gdumb"
    Options: ClassVar[type[StrategyOptions]] = GDumbOptions

    def __init__(self, options: GDumbOptions, *, seed: int) -> None:
        from transferlab.continual.components.buffer import ReplayBuffer

        super().__init__(options, seed=seed)
        size = MemoryOptions(memory_samples=options.memory_samples, policy="class_balanced")
        self.memory = ReplayBuffer(size, name=self.name)

    def after_train_dataset_adaptation(self, trainer: TrainerView, **kwargs) -> None:
        self.memory.take_in(trainer)
        trainer.adapted_dataset = self.memory.policy.buffer

    def state_bytes(self) -> int:
        return super().state_bytes() + self.memory.state_bytes()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "memory": self.memory.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state, dataset_of)
        self.memory.load_state_dict(state["memory"], dataset_of)
