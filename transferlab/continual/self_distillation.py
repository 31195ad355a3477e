"""Self-distillation replay: remembered prompts, with the answers that the model gives itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from transferlab.continual.catalogue.weights import SelfDistillationOptions
from transferlab.continual.memory import Memory
from transferlab.continual.own_answers import OwnAnswers
from transferlab.continual.strategy import DatasetOf
from transferlab.core.records import Sample

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate


class SelfDistillation(OwnAnswers):
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

    def kept_bytes(self) -> int:
        return self.memory.kept_bytes()

    def state_dict(self) -> dict[str, Any]:
        return self.memory.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self.memory.load_state_dict(state, dataset_of)
