"""Averaged gradient episodic memory (Chaudhry et al. 2019).

With g the gradient of a step and r that of remembered samples, a step with g.r < 0 would raise
the loss on the memory; then  g <- g - (g.r / r.r) r.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from transferlab.continual.avalanche_api import AvalancheDataset
from transferlab.continual.catalogue.gradients import AGEMOptions
from transferlab.continual.memory import PerDomainMemory
from transferlab.continual.passes import dot, gradient, gradients_of
from transferlab.continual.strategy import DatasetOf, Strategy
from transferlab.core.batch import Batch

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate


class AGEM(Strategy):
    """Projects the gradient off the direction that harms the memory."""

    def __init__(self, options: AGEMOptions, *, seed: int) -> None:
        super().__init__()
        self.options = options
        self.memory = PerDomainMemory(options.samples_per_domain, options.never_keep)
        self._terms: tuple[tuple[str, float], ...] = ()

    def before_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        self._terms = ()
        self.memory.start_drawing()

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
        self._terms = (("agem_memory_loss", loss), ("agem_cosine", cosine))
        if together < 0:
            torch._foreach_add_(own, reference, alpha=-float(together / length))

    def after_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        self._terms = ()
        self.memory.take_in(strategy)

    def step_terms(self) -> tuple[tuple[str, float], ...]:
        """The memory's loss, and the cosine of its gradient and the step's: the interference."""
        return self._terms

    def kept_bytes(self) -> int:
        return self.memory.kept_bytes()

    def state_dict(self) -> dict[str, Any]:
        return self.memory.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self.memory.load_state_dict(state, dataset_of)
