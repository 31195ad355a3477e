"""A step's micro-batches: how they are cut, and what they gave together."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from transferlab.core.distributed import rank_rows


def split_step(mbatch: list, pieces: int) -> Iterator[tuple[list, float]]:
    """This rank's samples of a step in pieces, each with its share of the step's tokens.

    Args:
        mbatch: ``[x, y, t]`` of the whole step.
        pieces: how many at most.
    """
    x, y, t = mbatch
    own = rank_rows(x)
    if own is None:
        return
    if pieces == 1 and own == slice(0, len(x)):
        yield mbatch, 1.0
        return
    size = -(-(own.stop - own.start) // pieces)
    for start in range(own.start, own.stop, size):
        rows = slice(start, min(start + size, own.stop))
        piece = x[rows]
        targets = piece.targets()
        yield [piece, targets, t[rows]], len(targets) / len(y)


class StepParts:
    """Outputs and losses of one optimizer step, in the order of its samples."""

    def __init__(self) -> None:
        self.count = 0
        self._outputs: list[Tensor] = []
        self._losses: list[Tensor] = []

    def add(self, output: Tensor | None, loss: Tensor, *, share: float) -> None:
        """Take in one micro-batch.

        Args:
            output: (n, columns) logits; None where nobody reads them after the step.
            loss: a scalar, with what plugins added to it.
            share: of the step's supervised tokens; the shares of a step sum to 1.
        """
        self.count += 1
        self._losses.append(share * loss.detach())
        if output is not None:
            self._outputs.append(output.detach())

    @property
    def loss(self) -> Tensor:
        """The step's loss, a scalar: the micro-batches' by their shares."""
        return torch.stack(self._losses).sum()

    @property
    def output(self) -> Tensor:
        """(n_step, columns) logits, one row per target of the step.

        Where a backbone compares, a micro-batch has as many columns as it has candidates; what it
        was not compared with gets the lowest number there is.
        """
        width = max(one.shape[1] for one in self._outputs)
        lowest = torch.finfo(self._outputs[0].dtype).min
        return torch.cat(
            [
                nn.functional.pad(one, (0, width - one.shape[1]), value=lowest)
                for one in self._outputs
            ]
        )
