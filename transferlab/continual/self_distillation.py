"""Self-distillation replay: remembered prompts, with the answers that the model gives itself.

Before a domain is trained, the model answers every remembered prompt; while it is trained, the
cross-entropy of some of these answers counts in every step. What the model says about the past so
becomes its own reference, and no reference answer of the data is needed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from transferlab.continual.catalogue.weights import SelfDistillationOptions
from transferlab.continual.memory import endless
from transferlab.continual.passes import add_gradient
from transferlab.continual.rehearsal import Remembering
from transferlab.core.events import Warned
from transferlab.core.records import Sample

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate


class SelfDistillation(Remembering):
    """A memory of prompts, answered by the model as it was before the domain."""

    name = "self_distillation"

    def __init__(self, options: SelfDistillationOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._answered: list[Sample] = []

    def before_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        self._answered = []
        if len(self.memory) and strategy.settings.epochs:
            kept = self.memory.policy.buffer
            self._answered = self._answers(strategy, [kept[i][0] for i in range(len(kept))])
        self._order = endless(len(self._answered))

    def _answers(self, strategy: MLLMTemplate, samples: list[Sample]) -> list[Sample]:
        predictions = strategy.backbone.generate(
            samples,
            batch_samples=strategy.micro_batch_samples,
            max_new_tokens=self.options.max_new_tokens,
        )
        said = [one for one in predictions if one.text.strip()]
        if len(said) < len(predictions):
            strategy.recorder.tell(
                Warned(
                    text=f"self_distillation: the model says nothing to "
                    f"{len(predictions) - len(said)} of {len(predictions)} remembered prompts; "
                    "these are left out"
                )
            )
        # Without choices: the model's own words need not be one of them.
        return [replace(one.sample, answer=one.text, choices=()) for one in said]

    @torch.no_grad()
    def after_backward(self, strategy: MLLMTemplate, **kwargs) -> None:
        if not self._answered:
            return
        size = self.options.memory_batch_samples or strategy.train_mb_size
        drawn = [next(self._order) for _ in range(min(size, len(self._answered)))]
        batch, _ = strategy.backbone.collate([self._answered[i] for i in drawn])
        self.terms["self_distillation_loss"] = add_gradient(
            strategy, batch.to(strategy.device), weight=self.options.weight
        )

    def after_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        self._answered = []
        super().after_training_exp(strategy, **kwargs)
