"""Self-distillation replay: remembered prompts, with the answers that the model gives itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from transferlab.continual.catalogue.weights import SelfDistillationOptions
from transferlab.continual.memory import Memory
from transferlab.continual.own_answers import OwnAnswers
from transferlab.continual.rehearsal import WithMemory
from transferlab.core.records import Sample

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate


class SelfDistillation(WithMemory, OwnAnswers):
    """A memory of prompts, answered by the model as it was before the domain."""

    name = "self_distillation"

    def __init__(self, options: SelfDistillationOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self.memory = Memory(options, name=self.name)

    def asked(self, strategy: MLLMTemplate) -> Sequence[Sample]:
        kept = self.memory.policy.buffer
        return [kept[i][0] for i in range(len(kept))]

    def after_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        super().after_training_exp(strategy, **kwargs)
        self.memory.take_in(strategy)
