"""Feature distillation: hidden states on new inputs stay near those of the model before.

The features are the hidden states from which the answers' tokens are told. With distance
"squared" this is less-forgetful learning (Jung et al. 2016); with "cosine" it is Avalanche's
feature distillation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from transferlab.continual.catalogue.distillation import FeatureDistillationOptions
from transferlab.continual.hidden import hidden_at_answers, watching
from transferlab.continual.passes import widened
from transferlab.continual.previous import Previous
from transferlab.continual.strategy import DatasetOf, Strategy

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate


class FeatureDistillation(Strategy):
    """Compares the hidden states of the model with those after the last domain."""

    def __init__(self, options: FeatureDistillationOptions, *, seed: int) -> None:
        super().__init__()
        self.options = options
        self._previous = Previous("feature_distillation")
        self._term: float | None = None

    def before_training(self, strategy: MLLMTemplate, **kwargs) -> None:
        self._previous.bring(strategy)

    def before_training_iteration(self, strategy: MLLMTemplate, **kwargs) -> None:
        self._term = 0.0 if self._previous.known else None

    def before_forward(self, strategy: MLLMTemplate, **kwargs) -> None:
        if not self._previous.known:
            return
        with watching(strategy.model) as seen:
            self._previous.logits(strategy, strategy.mb_x)
        self._old = hidden_at_answers(seen.pop(), strategy.mb_x).detach()
        self._watch = strategy.model.output_layer.register_forward_pre_hook(self._see)

    def _see(self, layer: nn.Module, args: tuple[Tensor, ...]) -> None:
        self._new = args[0]

    def after_forward(self, strategy: MLLMTemplate, **kwargs) -> None:
        if self._previous.known:
            self._watch.remove()

    def before_backward(self, strategy: MLLMTemplate, **kwargs) -> None:
        if not self._previous.known:
            return
        new = hidden_at_answers(self._new, strategy.mb_x)
        penalty = self.options.strength * self.distance(widened(new), widened(self._old))
        strategy.loss = strategy.loss + penalty
        self._term += strategy.share * float(penalty.detach())

    def distance(self, new: Tensor, old: Tensor) -> Tensor:
        """Of (n, D) hidden states: the mean square of their difference, or 1 - mean cosine."""
        if self.options.distance == "squared":
            return nn.functional.mse_loss(new, old)
        return 1 - torch.cosine_similarity(new, old, dim=1).mean()

    def after_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        self._term = None
        self._previous.keep(strategy)

    def step_terms(self) -> tuple[tuple[str, float], ...]:
        return () if self._term is None else (("feature_distillation_penalty", self._term),)

    def kept_bytes(self) -> int:
        return self._previous.kept_bytes()

    def state_dict(self) -> dict[str, Any]:
        return self._previous.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self._previous.load_state_dict(state)
