"""The optimizer of one domain and its learning rate over the steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from transferlab.config.pipeline import TrainSection


def build_optimizer(
    parameters: Sequence[nn.Parameter], train: TrainSection, *, learning_rate: float
) -> torch.optim.Optimizer:
    """The optimizer that ``train`` names, over the given parameters."""
    device = parameters[0].device.type
    # Adapters are many small tensors: one fused kernel instead of a loop over them.
    fused = True if device in ("cpu", "cuda") else None
    if train.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, lr=learning_rate, weight_decay=train.weight_decay, fused=fused
        )
    return torch.optim.AdamW(
        parameters, lr=learning_rate, weight_decay=train.weight_decay, fused=fused
    )


def learning_rate_factor(
    step: int,
    total_steps: int,
    *,
    warmup_fraction: float,
    schedule: Literal["cosine", "linear", "constant"],
) -> float:
    """What the learning rate is multiplied by at one step.

    Args:
        step: from 0; at most ``total_steps`` - 1.
        total_steps: optimizer steps of the whole stage, at least 1.
        warmup_fraction: share of the steps over which the factor rises linearly to 1, in [0, 1).
        schedule: how it falls afterwards; "cosine" and "linear" would reach 0 at ``total_steps``.

    Returns:
        The factor, in (0, 1].
    """
    warmup_steps = int(warmup_fraction * total_steps)
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    return 1 - progress if schedule == "linear" else 1.0
