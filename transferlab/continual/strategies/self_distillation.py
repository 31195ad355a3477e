"""Self-distillation replay: remembered prompts, with the answers that the model gives itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from transferlab.continual.components.buffer import ReplayBuffer
from transferlab.continual.components.rehearsal import BufferedStrategy
from transferlab.continual.components.self_generated_targets import SelfGeneratedTargets
from transferlab.continual.options.averaging import SelfDistillationOptions
from transferlab.core.records import Sample

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


class SelfDistillation(BufferedStrategy, SelfGeneratedTargets):
    """A memory of prompts, answered by the model as it was before the domain."""

    name = "self_distillation"

    def __init__(self, options: SelfDistillationOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self.memory = ReplayBuffer(options, name=self.name)

    def asked(self, trainer: TrainerView) -> Sequence[Sample]:
        kept = self.memory.policy.buffer
        return [kept[i][0] for i in range(len(kept))]

    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        super().after_training_exp(trainer, **kwargs)
        self.memory.take_in(trainer)
