"""Maximally interfered retrieval (Aljundi et al. 2019).

A step is tried out: theta' = theta - learning rate * gradient. Of some remembered candidates,
those whose loss it raises most are trained on in the same step, from theta.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from transferlab.continual.catalogue.rehearsal import MIROptions
from transferlab.continual.memory import Memory
from transferlab.continual.optimizer import rates_of
from transferlab.continual.passes import (
    copied_gradients,
    gradient,
    gradients_of,
    per_sample,
    widened,
)
from transferlab.continual.strategy import DatasetOf, Strategy
from transferlab.core.batch import Batch

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate


class MIR(Strategy):
    """Replays what the step would harm most."""

    def __init__(self, options: MIROptions, *, seed: int) -> None:
        super().__init__()
        self.options = options
        self.memory = Memory(options, name="mir")
        self._terms: tuple[tuple[str, float], ...] = ()

    def before_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        self._terms = ()
        self.memory.start_drawing()

    @torch.no_grad()
    def after_backward(self, strategy: MLLMTemplate, **kwargs) -> None:
        if not len(self.memory):
            return
        candidates = self.memory.draw(strategy, self.options.candidate_samples)[0]
        harm = self.harm(strategy, candidates)
        worst = harm.topk(min(self.options.memory_batch_samples, len(candidates)))
        loss, found = gradient(strategy, candidates[worst.indices.cpu()])
        torch._foreach_add_(gradients_of(strategy.trainable), found)
        self._terms = (("mir_loss", loss), ("mir_harm", float(worst.values.mean())))

    @torch.no_grad()
    def harm(self, strategy: MLLMTemplate, batch: Batch) -> Tensor:
        """(B,) float32: by how much the step at hand would raise each sample's loss."""
        before = sample_losses(strategy, batch)
        start = [parameter.detach().clone() for parameter in strategy.trainable]
        step = copied_gradients(strategy)
        torch._foreach_mul_(step, rates_of(strategy.optimizer, strategy.trainable))
        torch._foreach_sub_(strategy.trainable, step)
        after = sample_losses(strategy, batch)
        torch._foreach_copy_(strategy.trainable, start)
        return after - before

    def after_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        self._terms = ()
        self.memory.take_in(strategy)

    def step_terms(self) -> tuple[tuple[str, float], ...]:
        """The loss of what is replayed, and by how much the step alone would have raised it."""
        return self._terms

    def kept_bytes(self) -> int:
        return self.memory.kept_bytes()

    def state_dict(self) -> dict[str, Any]:
        return self.memory.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self.memory.load_state_dict(state, dataset_of)


def sample_losses(strategy: MLLMTemplate, batch: Batch) -> Tensor:
    """(B,) float32: the mean loss over each sample's tokens, in micro-batches, without gradient."""
    losses = []
    for start in range(0, len(batch), strategy.micro_batch_samples):
        piece = batch[start : start + strategy.micro_batch_samples]
        with strategy.autocast():
            logits = strategy.model(piece)
        each = nn.functional.cross_entropy(widened(logits), piece.targets(), reduction="none")
        losses.append(per_sample(each, piece))
    return torch.cat(losses)
