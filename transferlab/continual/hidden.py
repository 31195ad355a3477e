"""The hidden states from which a model tells its answers' tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from transferlab.core.batch import Batch


@contextmanager
def watching(module: nn.Module) -> Iterator[list[Tensor]]:
    """Inside, every forward pass adds the input of ``module.output_layer`` to the list."""
    seen: list[Tensor] = []
    handle = module.output_layer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        yield seen
    finally:
        handle.remove()


def hidden_at_answers(hidden: Tensor, batch: Batch) -> Tensor:
    """(n_supervised, D) of (B, T, D), where T counts the last positions of the batch."""
    if hidden.dim() == 2:
        return hidden
    return hidden[batch.labels[:, -hidden.shape[1] :] != -100]
