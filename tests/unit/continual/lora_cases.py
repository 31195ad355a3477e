"""A toy layer with LoRA on it, as an adapter of kind lora puts it there."""

from __future__ import annotations

import torch
from torch import nn

from transferlab.core.protocols import LoRALayer

RANK, SCALE = 4, 2.0


class LoRALinear(nn.Module):
    """W x + 2 B A x, W frozen and B zero at first."""

    def __init__(self, width: int, dtype: torch.dtype) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            self.base = nn.Linear(width, width, bias=False, dtype=dtype)
            self.lora_A = nn.Linear(width, RANK, bias=False, dtype=dtype)
        self.lora_B = nn.Linear(RANK, width, bias=False, dtype=dtype)
        self.base.requires_grad_(False)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x):
        return self.base(x) + SCALE * self.lora_B(self.lora_A(x))

    def as_layer(self, name: str) -> LoRALayer:
        up, down = self.lora_B.weight, self.lora_A.weight
        return LoRALayer(
            name=name, layer=self, weight=self.base.weight, down=down, up=up, scale=SCALE
        )
