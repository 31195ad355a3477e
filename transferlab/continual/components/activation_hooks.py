"""The hidden states from which a model tells its answers' tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from transferlab.core.batch import Batch


@contextmanager
def capture_outputs(module: nn.Module) -> Iterator[list[Tensor]]:
    """Inside, every forward pass adds the input of ``module.output_layer`` to the list."""
    seen: list[Tensor] = []
    handle = module.output_layer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        yield seen
    finally:
        handle.remove()


def hidden_states_at_answers(module: nn.Module, seen: Sequence[Tensor], batch: Batch) -> Tensor:
    """(n_supervised, D) of what one forward pass of ``module`` over the batch added to the list."""
    if all(hidden.dim() == 2 for hidden in seen):
        return torch.cat(list(seen))
    return module.at_answers(seen, batch)
