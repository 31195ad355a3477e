"""The directions of a layer's inputs that past domains need, and those that are left.

A set of inputs is given by its second moments M = sum over inputs x of x x^T, (in, in); its energy
along orthonormal directions U is trace(U^T M U), and trace(M) in all. With P the projection across
what is held already, the leading eigenvectors of P M P hold most of what is left of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from transferlab.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


class Subspace(NamedTuple):
    """Kept by its directions or by those across them, whichever are fewer (InfLoRA's DualGPM)."""

    columns: Tensor
    """(in, k) with orthonormal columns."""
    across: bool = False
    """Whether the columns span what is left, and not what is held."""

    @classmethod
    def nothing(cls, like: Tensor) -> Subspace:
        """That of no inputs; ``like`` is (..., in), of its dtype and on its device."""
        return cls(like.new_zeros(like.shape[-1], 0))

    @property
    def free(self) -> int:
        """How many directions are left."""
        width, count = self.columns.shape
        return count if self.across else width - count

    def without(self, rows: Tensor) -> Tensor:
        """(n, in) rows without what lies along the held directions."""
        part = (rows @ self.columns) @ self.columns.T
        return part if self.across else rows - part

    def left_of(self, moments: Tensor) -> Tensor:
        """(in, in): P M P."""
        return self.without(self.without(moments).T)

    def grown(self, moments: Tensor, *, energy: float) -> Subspace:
        """With as many more directions as it takes to hold a share of the moments' energy."""
        left = self.left_of(moments)
        total, rest = moments.trace(), left.trace()
        directions, values = leading_directions(left, count=self.free, total=total)
        missing = float(energy * total - (total - rest))
        if missing <= 0 or not len(directions):
            return self
        count = min(int((values.cumsum(0) < missing).sum()) + 1, len(directions))
        return self._with(self.without(directions[:count]).T)

    def _with(self, directions: Tensor) -> Subspace:
        """``directions``: (in, n), across what is held."""
        new, count = torch.linalg.qr(directions).Q, directions.shape[1]
        if self.across:
            turn = torch.linalg.qr(self.columns.T @ new, mode="complete").Q
            return Subspace(self.columns @ turn[:, count:], across=True)
        columns = torch.cat([self.columns, new], dim=1)
        held = columns.shape[1]
        if 2 * held <= len(columns):
            return Subspace(columns)
        return Subspace(torch.linalg.qr(columns, mode="complete").Q[:, held:], across=True)

    def state_dict(self) -> dict[str, Any]:
        return {"columns": self.columns.cpu(), "across": self.across}


def leading_directions(
    moments: Tensor, *, count: int, total: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The eigenvectors of the largest eigenvalues, one a row, and these; fewer where there are.

    Args:
        moments: (in, in), symmetric, positive up to rounding.
        count: at most so many.
        total: the energy beside which an eigenvalue is nothing but rounding; None means theirs.
    """
    values, vectors = torch.linalg.eigh((moments + moments.T) / 2)
    values, rows = values.flip(0)[:count], vectors.T.flip(0)[:count]
    energy = moments.trace() if total is None else total
    rounding = torch.finfo(moments.dtype).eps * len(moments) * energy
    some = int((values > rounding).sum())
    values, rows = values[:some], rows[:some]
    # An eigenvector's sign says nothing: fixed, so that rounding cannot turn it round.
    largest = rows.gather(1, rows.abs().argmax(dim=1, keepdim=True))
    return rows * largest.sign(), values
