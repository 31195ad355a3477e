"""The Fisher as its definition says it, to compare with."""

import torch

from transferlab.continual.components.quadratic_penalty import flatten


def brute_force(module, backbone, samples):
    """Squared gradients of the summed log-likelihood, one sample at a time through ``backward``."""
    total = 0
    for sample in samples:
        batch, targets = backbone.collate([sample])
        module.zero_grad()
        module(batch).log_softmax(-1)[torch.arange(len(targets)), targets].sum().backward()
        total = total + flatten([p.grad for _, p in module.named_parameters()]).square()
    module.zero_grad()
    return total / len(samples)
