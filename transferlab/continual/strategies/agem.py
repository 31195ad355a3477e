"""Averaged gradient episodic memory (Chaudhry et al. 2019).

With g the gradient of a step and r that of remembered samples, a step with g.r < 0 would raise
the loss on the memory; then  g <- g - (g.r / r.r) r.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from transferlab.continual.components.gradients import dot, gradient, gradients_of
from transferlab.continual.components.rehearsal import PerDomainRehearsal
from transferlab.continual.options.base import KeepingOptions, Needs, PositiveInt
from transferlab.core.batch import Batch
from transferlab.core.lazy import no_grad, torch

if TYPE_CHECKING:
    from transferlab.continual.avalanche_api import AvalancheDataset
    from transferlab.continual.components.trainer_view import TrainerView


class AGEMOptions(KeepingOptions):
    """Averaged gradient episodic memory: a step may not go against the memory's mean gradient."""

    family: ClassVar[str] = "projection"
    paper: ClassVar[str] = "Chaudhry et al. 2019, arXiv:1812.00420"
    use: ClassVar[str] = (
        "Where remembered samples may guide a step but should not be learned by heart. Its measure "
        "of interference, the cosine of the two gradients, is in every step's record."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True,
        extra_passes="a forward and backward of remembered samples in every step",
        grows="the ids",
        projects_gradient=True,
    )

    samples_per_domain: PositiveInt = 100
    """So many ids of every domain are remembered."""
    memory_batch_samples: PositiveInt = 16
    """Remembered samples per step, the same number of every past domain, at least one."""


class AGEM(PerDomainRehearsal):
    """Projects the gradient off the direction that harms the memory."""

    name = "agem"
    Options = AGEMOptions

    def sample(self, trainer: TrainerView) -> Batch:
        """Remembered samples, the same number of every past domain."""
        domains: list[AvalancheDataset] = self.memory.domains
        each = max(1, self.options.memory_batch_samples // len(domains))
        drawn = [self.memory.draw(trainer, at, each)[0] for at in range(len(domains))]
        return Batch.cat(drawn)

    @no_grad
    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        if not self.memory.domains:
            return
        loss, reference = gradient(trainer, self.sample(trainer))
        own = gradients_of(trainer.trainable)
        together, length = dot(own, reference), dot(reference, reference)
        norms = (dot(own, own) * length).sqrt()
        cosine = float(together / norms) if norms > 0 else 0.0
        # The memory's loss, and how far the step and the memory agree: the interference.
        self.terms.update(agem_memory_loss=loss, agem_cosine=cosine)
        if together < 0:
            torch._foreach_add_(own, reference, alpha=-float(together / length))
