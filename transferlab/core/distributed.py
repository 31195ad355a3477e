"""Several processes that train one model: each takes its share of every step's samples.

Every rank draws the same batches and keeps the same strategies; only the forward and backward of a
step's own samples are shared out, and their gradients are summed before any hook looks at them. So
a strategy needs to know nothing of it, as long as it counts what it sees in forward hooks with
``sum_over_ranks``. Chance is shared likewise: ``rank_randomness`` gives a rank's own part of a step
draws of its own, and every other draw is the same on all ranks. The process group is the caller's
(``torch.distributed.init_process_group``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from transferlab.core.batch import Batch
from transferlab.core.lazy import no_grad, torch
from transferlab.core.seeding import derive_seed, isolated_randomness

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


def equal_on_all_ranks(number: int, device: torch.device) -> bool:
    """Whether every rank has this number; all of them must ask. ``device``: where ranks meet."""
    if rank_and_size()[1] == 1:
        return True
    extremes = torch.tensor([number, -number], device=device)
    torch.distributed.all_reduce(extremes, op=torch.distributed.ReduceOp.MAX)
    high, low = extremes.tolist()
    return high == -low


@contextmanager
def rank_randomness(device: torch.device, *, step: int) -> Iterator[None]:
    """Within, this rank draws for itself; afterwards all ranks draw on as if nothing had been.

    Ranks pass batches of other shapes through the model, so dropout would take other numbers of
    draws from each rank's generator, and the order of the next epoch would no longer be the same.
    With one process nothing changes. ``step``: of the stage, so that no two steps draw alike.
    """
    rank, size = rank_and_size()
    if size == 1:
        yield
        return
    with torch.random.fork_rng(devices=[]):  # looked at, not taken: one process draws no such seed
        shared = int(torch.randint(2**31, ()))
    with isolated_randomness(derive_seed(shared, step, rank), device):
        yield
