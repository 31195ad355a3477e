"""The optimizer of one domain and its learning rate over the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal

import torch
from torch import nn
from transformers import get_scheduler

from transferlab.config.pipeline import TrainSection

FACTOR = "learning_rate_factor"
"""A key of the optimizer's parameter groups."""


def build_optimizer(
    parameters: Sequence[nn.Parameter],
    train: TrainSection,
    *,
    learning_rate: float,
    factors: Sequence[float] | None = None,
) -> torch.optim.Optimizer:
    """The optimizer that ``train`` names, over the given parameters.

    Args:
        parameters: at least one.
        train: kind of optimizer and weight decay.
        learning_rate: of all parameters, before ``factors``.
        factors: per parameter, what its rate is multiplied by; None means 1 for all.
    """
    device = parameters[0].device.type
    # Adapters are many small tensors: one fused kernel instead of a loop over them.
    fused = True if device in ("cpu", "cuda") else None
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter, factor in zip(parameters, factors or [1.0] * len(parameters), strict=True):
        groups.setdefault(factor, []).append(parameter)
    kind = torch.optim.SGD if train.optimizer == "sgd" else torch.optim.AdamW
    optimizer = kind(
        [{"params": members, FACTOR: factor} for factor, members in groups.items()],
        lr=learning_rate,
        weight_decay=train.weight_decay,
        fused=fused,
    )
    set_learning_rate(optimizer, learning_rate)
    return optimizer


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Give every group the rate times its own factor."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group[FACTOR]


def rates_of(optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter]) -> list[float]:
    """The learning rate of each parameter at this moment."""
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    return [rates[id(parameter)] for parameter in parameters]


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
    return _schedule(schedule, int(warmup_fraction * total_steps), total_steps)(step + 1)


@cache
def _schedule(name: str, warmup_steps: int, total_steps: int) -> Callable[[int], float]:
    """transformers' schedule, one step longer at both ends: no step has a rate of zero."""
    spare = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(
        "constant_with_warmup" if name == "constant" else name,
        spare,
        num_warmup_steps=warmup_steps + 1,
        num_training_steps=total_steps + 1,
    )
    return scheduler.lr_lambdas[0]
