"""A vision tower that reads the pictures of one sample once, however often a batch repeats them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map


@contextmanager
def shared_vision(towers: Sequence[nn.Module], *, copies: int) -> Iterator[None]:
    """Give towers the first of so many equal copies, and what reads them as many copies.

    A batch whose pictures are not such copies goes through as it is, and so does a tower that takes
    patches of all pictures in one row.

    Args:
        towers: modules that take pixels, (N, C, H, W), first or as ``pixel_values``.
        copies: how often the sample stands in the batch, one copy after another.
    """
    with ExitStack() as stack:
        if copies > 1:
            for tower in towers:
                reader = _Reader(copies)
                for handle in (
                    tower.register_forward_pre_hook(reader.take_one, with_kwargs=True),
                    tower.register_forward_hook(reader.repeat),
                ):
                    stack.callback(handle.remove)
        yield


class _Reader:
    def __init__(self, copies: int) -> None:
        self._copies = copies
        self._taken = 0
        """Pictures that the tower reads now; 0 where it reads the batch as it is."""

    def take_one(
        self, tower: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        pixels = args[0] if args else kwargs.get("pixel_values")
        whole = len(pixels) if torch.is_tensor(pixels) and pixels.ndim == 4 else 0
        self._taken = 0 if whole % self._copies else whole // self._copies
        # Masks of patches have a row per picture, too.
        rows = [one for one in (*args, *kwargs.values()) if _has_rows(one, whole)]
        if not self._taken or not all(map(self._are_copies, rows)):
            self._taken = 0
            return args, kwargs

        def one_copy(value: Any) -> Any:
            return value[: self._taken] if _has_rows(value, whole) else value

        return tuple(map(one_copy, args)), {name: one_copy(one) for name, one in kwargs.items()}

    def repeat(self, tower: nn.Module, args: Any, output: Any) -> Any:
        taken = self._taken
        if not taken:
            return output

        def repeated(value: Any) -> Any:
            if not _has_rows(value, taken):
                return value
            return value.repeat(self._copies, *(1,) * (value.ndim - 1))

        return tree_map(repeated, output)

    def _are_copies(self, rows: Tensor) -> bool:
        grouped = rows.view(self._copies, -1, *rows.shape[1:])
        return bool((grouped == grouped[:1]).all())


def _has_rows(value: Any, count: int) -> bool:
    return torch.is_tensor(value) and value.ndim > 0 and len(value) == count
