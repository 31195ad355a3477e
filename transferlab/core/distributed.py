"""Several processes that train one model: each takes its share of every step's samples.

Every rank draws the same batches and keeps the same strategies; only the forward and backward of a
step's own samples are shared out, and their gradients are summed before any hook looks at them. So
a strategy needs to know nothing of it, as long as it counts what it sees in forward hooks with
``sum_over_ranks``. The process group is the caller's (``torch.distributed.init_process_group``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from transferlab.core.batch import Batch
from transferlab.core.lazy import no_grad, torch

if TYPE_CHECKING:
    from torch import Tensor


def rank_and_size() -> tuple[int, int]:
    """This process's number and how many there are; (0, 1) where there is no process group."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return 0, 1
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


@no_grad
def sum_over_ranks(tensors: Sequence[Tensor]) -> None:
    """Put the sum over ranks into each tensor; all of one device and dtype."""
    if rank_and_size()[1] == 1 or not tensors:
        return
    together = torch.cat([tensor.reshape(-1) for tensor in tensors])
    torch.distributed.all_reduce(together)
    pieces = together.split([tensor.numel() for tensor in tensors])
    for tensor, piece in zip(tensors, pieces, strict=True):
        tensor.copy_(piece.view_as(tensor))


def summed(value: Tensor) -> Tensor:
    """A scalar's sum over ranks, in float64: a rank without samples does not know its dtype."""
    if rank_and_size()[1] == 1:
        return value
    total = value.detach().double()
    torch.distributed.all_reduce(total)
    return total


def rank_rows(batch: Batch) -> slice | None:
    """This rank's rows of a batch; None where there are fewer rows than ranks and none is left."""
    rank, size = rank_and_size()
    each = -(-len(batch) // size)
    rows = slice(rank * each, min((rank + 1) * each, len(batch)))
    return rows if rows.start < rows.stop else None
