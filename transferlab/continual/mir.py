"""Maximally interfered retrieval (Aljundi et al. 2019).

A step is tried out: theta' = theta - learning rate * gradient. Of some remembered candidates,
those whose loss it raises most are trained on in the same step, from theta.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from transferlab.continual.optimizer import rates_of
from transferlab.continual.passes import copied_gradients, per_sample, widened
from transferlab.continual.rehearsal import Remembering
from transferlab.core.batch import Batch

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate


class MIR(Remembering):
    """Replays what the step would harm most."""

    name = "mir"

    @torch.no_grad()
    def after_backward(self, strategy: MLLMTemplate, **kwargs) -> None:
        if not len(self.memory):
            return
        candidates = self.memory.draw(strategy, self.options.candidate_samples)[0]
        harm = self.harm(strategy, candidates)
        worst = harm.topk(min(self.options.memory_batch_samples, len(candidates)))
        loss = self.add_gradient(strategy, candidates[worst.indices.cpu()])
        # Of what is replayed: its loss, and by how much the step alone would have raised it.
        self.terms.update(mir_loss=loss, mir_harm=worst.values.mean())

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
