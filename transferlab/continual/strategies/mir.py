"""Maximally interfered retrieval (Aljundi et al. 2019).

A step is tried out: theta' = theta - learning rate * gradient. Of some remembered candidates,
those whose loss it raises most are trained on in the same step, from theta.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import model_validator

from transferlab.continual.components.gradients import copy_gradients, per_sample, upcast
from transferlab.continual.components.rehearsal import BufferedRehearsal
from transferlab.continual.options.base import Needs, PositiveInt
from transferlab.continual.options.memory import MemoryOptions, Policy
from transferlab.core.batch import Batch
from transferlab.core.lazy import nn, no_grad, torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


class MIROptions(MemoryOptions):
    """Maximally interfered retrieval: what a step would harm most is replayed in it."""

    family: ClassVar[str] = "rehearsal"
    paper: ClassVar[str] = "Aljundi et al. 2019, arXiv:1908.04742"
    use: ClassVar[str] = (
        "As replay with a large memory of which few samples fit into a step; it pays with two more "
        "forward passes of the candidates."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True,
        extra_passes="two forwards of the candidates, a forward and backward of the chosen, per "
        "step",
        adds_gradient=True,
    )

    policy: Policy = "class_balanced"
    """What is kept; as for `replay`."""
    candidate_samples: PositiveInt = 50
    """Remembered samples per step among which the most harmed are looked for."""
    memory_batch_samples: PositiveInt = 10
    """So many of the candidates are replayed."""

    @model_validator(mode="after")
    def _there_is_a_choice(self) -> MIROptions:
        if self.memory_batch_samples > self.candidate_samples:
            raise ValueError(
                f"memory_batch_samples: {self.memory_batch_samples} cannot be chosen among "
                f"candidate_samples {self.candidate_samples}; lower it"
            )
        return self


class MIR(BufferedRehearsal):
    """Replays what the step would harm most."""

    name = "mir"
    Options = MIROptions

    @no_grad
    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        if not len(self.memory):
            return
        candidates = self.memory.draw(trainer, self.options.candidate_samples)[0]
        harm = self.harm(trainer, candidates)
        worst = harm.topk(min(self.options.memory_batch_samples, len(candidates)))
        loss = self.add_gradient(trainer, candidates[worst.indices.cpu()])
        # Of what is replayed: its loss, and by how much the step alone would have raised it.
        self.terms.update(mir_loss=loss, mir_harm=worst.values.mean())

    @no_grad
    def harm(self, trainer: TrainerView, batch: Batch) -> Tensor:
        """(B,) float32: by how much the step at hand would raise each sample's loss."""
        before = sample_losses(trainer, batch)
        start = [parameter.detach().clone() for parameter in trainer.trainable]
        step = copy_gradients(trainer)
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
