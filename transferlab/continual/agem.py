"""Averaged gradient episodic memory (Chaudhry et al. 2019).

With g the gradient of a step and r that of remembered samples, a step with g.r < 0 would raise
the loss on the memory; then  g <- g - (g.r / r.r) r.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from transferlab.continual.avalanche_api import AvalancheDataset
from transferlab.continual.passes import dot, gradient, gradients_of
from transferlab.continual.rehearsal import GuardedByDomain
from transferlab.core.batch import Batch

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate


class AGEM(GuardedByDomain):
    """Projects the gradient off the direction that harms the memory."""

    def sample(self, strategy: MLLMTemplate) -> Batch:
        """Remembered samples, the same number of every past domain."""
        domains: list[AvalancheDataset] = self.memory.domains
        each = max(1, self.options.memory_batch_samples // len(domains))
        drawn = [self.memory.draw(strategy, at, each)[0] for at in range(len(domains))]
        return Batch.cat(drawn)

    @torch.no_grad()
    def after_backward(self, strategy: MLLMTemplate, **kwargs) -> None:
        if not self.memory.domains:
            return
        loss, reference = gradient(strategy, self.sample(strategy))
        own = gradients_of(strategy.trainable)
        together, length = dot(own, reference), dot(reference, reference)
        norms = (dot(own, own) * length).sqrt()
        cosine = float(together / norms) if norms > 0 else 0.0
        # The memory's loss, and how far the step and the memory agree: the interference.
        self.terms.update(agem_memory_loss=loss, agem_cosine=cosine)
        if together < 0:
            torch._foreach_add_(own, reference, alpha=-float(together / length))
