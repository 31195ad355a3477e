"""The precision of forward passes."""

from __future__ import annotations

import torch

from transferlab.config.pipeline import TrainSection

AUTOCAST_DTYPES = {"none": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def autocast_dtype(train: TrainSection, device: torch.device) -> torch.dtype | None:
    """The precision of forward passes on a device; None is that of the weights."""
    if train.mixed_precision != "auto":
        return AUTOCAST_DTYPES[train.mixed_precision]
    gpu = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if gpu else None
