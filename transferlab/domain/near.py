"""Near pairs among many picture hashes, without comparing each with each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

NEAR_BITS = 16
"""Hashes of 256 bits that differ in no more are of one picture. Measured on 699 chest X-rays: one
at 70 % of its size and JPEG quality 50 differs in 8 or fewer, two patients' in 58 or more."""
_BANDS = NEAR_BITS + 1
"""Two hashes that differ in at most 16 bits agree in at least one of 17 bands."""
_ROWS_AT_ONCE = 256
_UNPACKED_AT_ONCE = 8192

Apart = np.ndarray
"""(C, C) bool: whether pictures of two classes must not be the same."""


def near_pairs(
    packed: np.ndarray, classes: np.ndarray, apart: Apart
) -> Iterator[tuple[int, int, int]]:
    """Of every hash, the nearest that must not be near, if it is: (i, j, differing bits), i < j.

    Args:
        packed: (N, 32) uint8, the hashes.
        classes: (N,) integers, the class of each.
        apart: (C, C) bool, symmetric.
    """
    nearest: dict[int, tuple[int, int]] = {}
    for columns in np.array_split(np.arange(8 * packed.shape[1]), _BANDS) if len(packed) else []:
        for members in _buckets(_band(packed, columns)):
            kinds = classes[members]
            if not apart[np.ix_(np.unique(kinds), np.unique(kinds))].any():
                continue
            for start in range(0, len(members), _ROWS_AT_ONCE):
                some = members[start : start + _ROWS_AT_ONCE]
                distance = np.bitwise_count(packed[some][:, None] ^ packed[members]).sum(-1)
                distance = np.where(apart[classes[some]][:, kinds], distance, 999)
                best = distance.argmin(1)
                for row in np.flatnonzero(distance[np.arange(len(some)), best] <= NEAR_BITS):
                    pair = (int(distance[row, best[row]]), int(members[best[row]]))
                    mine = int(some[row])
                    nearest[mine] = min(nearest.get(mine, pair), pair)
    yield from sorted({(min(i, j), max(i, j), bits) for i, (bits, j) in nearest.items()})


def _band(packed: np.ndarray, columns: Sequence[int] | np.ndarray) -> np.ndarray:
    """(N,) uint16: up to 16 bits of every hash."""
    parts = [
        np.packbits(np.unpackbits(packed[at : at + _UNPACKED_AT_ONCE], axis=1)[:, columns], axis=1)
        for at in range(0, len(packed), _UNPACKED_AT_ONCE)
    ]
    return np.ascontiguousarray(np.concatenate(parts)).view(np.uint16).ravel()


def _buckets(band: np.ndarray) -> Iterator[np.ndarray]:
    """Indices of hashes that agree in a band, where there are two or more."""
    order = np.argsort(band, kind="stable")
    changes = np.flatnonzero(band[order][1:] != band[order][:-1]) + 1
    starts, ends = np.append(0, changes), np.append(changes, len(band))
    for at in np.flatnonzero(ends - starts > 1):
        yield order[starts[at] : ends[at]]
