"""Maximally interfered retrieval (Aljundi et al. 2019).

A step is tried out: theta' = theta - learning rate * gradient. Of some remembered candidates,
those whose loss it raises most are trained on in the same step, from theta.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from transferlab.continual.components.gradients import copied_gradients, per_sample, upcast
from transferlab.continual.components.rehearsal import BufferedRehearsal
from transferlab.core.batch import Batch

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


class MIR(BufferedRehearsal):
    """Replays what the step would harm most."""

    name = "mir"

    @torch.no_grad()
    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        if not len(self.memory):
            return
        candidates = self.memory.draw(trainer, self.options.candidate_samples)[0]
        harm = self.harm(trainer, candidates)
        worst = harm.topk(min(self.options.memory_batch_samples, len(candidates)))
        loss = self.add_gradient(trainer, candidates[worst.indices.cpu()])
        # Of what is replayed: its loss, and by how much the step alone would have raised it.
        self.terms.update(mir_loss=loss, mir_harm=worst.values.mean())

    @torch.no_grad()
    def harm(self, trainer: TrainerView, batch: Batch) -> Tensor:
        """(B,) float32: by how much the step at hand would raise each sample's loss."""
        before = sample_losses(trainer, batch)
        start = [parameter.detach().clone() for parameter in trainer.trainable]
        step = copied_gradients(trainer)
        torch._foreach_mul_(step, trainer.learning_rates(trainer.trainable))
        torch._foreach_sub_(trainer.trainable, step)
        after = sample_losses(trainer, batch)
        torch._foreach_copy_(trainer.trainable, start)
        return after - before


def sample_losses(trainer: TrainerView, batch: Batch) -> Tensor:
    """(B,) float32: the mean loss over each sample's tokens, in micro-batches, without gradient."""
    losses = []
    for start in range(0, len(batch), trainer.micro_batch_samples):
        piece = batch[start : start + trainer.micro_batch_samples]
        with trainer.autocast():
            logits = trainer.model(piece)
        each = nn.functional.cross_entropy(upcast(logits), piece.targets(), reduction="none")
        losses.append(per_sample(each, piece))
    return torch.cat(losses)
