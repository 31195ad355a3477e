"""What strategies with a memory of samples have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from transferlab.continual.components.strategy import DatasetOf, Strategy

if TYPE_CHECKING:
    from transferlab.continual.components.buffer import PerDomainBuffer, ReplayBuffer
    from transferlab.continual.components.trainer_view import TrainerView


class BufferedStrategy(Strategy):
    """What it keeps is its memory."""

    memory: ReplayBuffer | PerDomainBuffer

    def state_bytes(self) -> int:
        return self.memory.state_bytes()

    def state_dict(self) -> dict[str, Any]:
        return self.memory.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self.memory.load_state_dict(state, dataset_of)


class Rehearsal(BufferedStrategy):
    """The memory takes in every domain after it, and is drawn from during the next."""

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        self.memory.start_sampling()

    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        self.memory.take_in(trainer)

    def stage_state(self) -> dict[str, Any]:
        return {"drawing": self.memory.sampling_state()}

    def load_stage_state(self, state: Mapping[str, Any]) -> None:
        self.memory.load_sampling_state(state["drawing"])


class PerDomainRehearsal(Rehearsal):
    """Remembers the same number of samples of every past domain."""

    memory: PerDomainBuffer

    def __init__(self, options: Any, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        # Imported here, as in every strategy that makes one: it brings Avalanche.
        from transferlab.continual.components.buffer import PerDomainBuffer

        self.memory = PerDomainBuffer(options.samples_per_domain, options.never_keep)


class BufferedRehearsal(Rehearsal):
    """Remembers samples by one of Avalanche's storage policies."""

    memory: ReplayBuffer

    def __init__(self, options: Any, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        from transferlab.continual.components.buffer import ReplayBuffer

        self.memory = ReplayBuffer(options, name=self.name)
