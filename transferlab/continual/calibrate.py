"""The unit of ``strength: auto``: nats per supervised token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from transferlab.continual.fisher import exact_fisher
from transferlab.continual.passes import batches_over, evaluating

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate

SAMPLES = 64
"""So many samples of a domain measure the unit; a mean over samples needs no more."""


def half_trace(strategy: MLLMTemplate, *, seed: int) -> float:
    """tr(H) / 2, with H the Fisher information per supervised token on the current experience.

    H is the mean over tokens of E[g g^T] with labels drawn from the model, so that
    KL(p(theta) || p(theta + d)) = d^T H d / 2 + O(d^3) nats per token, and tr(H) / 2 is what a
    displacement of variance 1 in every parameter costs in that approximation.
    """
    generator = torch.Generator().manual_seed(seed)
    dataset = strategy.experience.dataset
    if len(dataset) > SAMPLES:
        order = torch.randperm(len(dataset), generator=generator)
        dataset = dataset.subset(sorted(order[:SAMPLES].tolist()))
    tokens = 0

    def counted():
        nonlocal tokens
        for batch in batches_over(strategy, dataset):
            tokens += int((batch.labels != -100).sum())
            yield batch

    with evaluating(strategy.model), torch.enable_grad():
        fisher = exact_fisher(strategy.model, counted(), generator=generator)
    return 0.5 * float(fisher.sum()) * len(dataset) / tokens
