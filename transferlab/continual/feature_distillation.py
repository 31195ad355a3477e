"""Feature distillation: hidden states on new inputs stay near those of the model before.

The features are the hidden states from which the answers' tokens are told. With distance
"squared" this is less-forgetful learning (Jung et al. 2016); with "cosine" it is Avalanche's
feature distillation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from transferlab.continual.hidden import hidden_at_answers, watching
from transferlab.continual.passes import widened
from transferlab.continual.previous import Distillation

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate


class FeatureDistillation(Distillation):
    """Compares the hidden states of the model with those after the last domain."""

    name = "feature_distillation"

    def before_forward(self, strategy: MLLMTemplate, **kwargs) -> None:
        if not self.previous.known:
            return
        with watching(strategy.model) as seen:
            self.previous.logits(strategy, strategy.mb_x)
        self._old = hidden_at_answers(strategy.model, seen, strategy.mb_x).detach()
        self._new: list[Tensor] = []
        self._watch = strategy.model.output_layer.register_forward_pre_hook(self._see)

    def _see(self, layer: nn.Module, args: tuple[Tensor, ...]) -> None:
        self._new.append(args[0])

    def after_forward(self, strategy: MLLMTemplate, **kwargs) -> None:
        if self.previous.known:
            self._watch.remove()

    def apart(self, strategy: MLLMTemplate) -> Tensor:
        new = hidden_at_answers(strategy.model, self._new, strategy.mb_x)
        return self.distance(widened(new), widened(self._old))

    def distance(self, new: Tensor, old: Tensor) -> Tensor:
        """Of (n, D) hidden states: the mean square of their difference, or 1 - mean cosine."""
        if self.options.distance == "squared":
            return nn.functional.mse_loss(new, old)
        return 1 - torch.cosine_similarity(new, old, dim=1).mean()
