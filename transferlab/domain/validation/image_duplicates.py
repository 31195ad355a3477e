"""Near pairs among many picture hashes, without comparing each with each."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import itemgetter

import numpy as np

NEAR_BITS = 16
"""Hashes of 256 bits that differ in no more are of one picture. Measured on 699 chest X-rays: one
at 70 % of its size and JPEG quality 50 differs in 8 or fewer, two patients' in 58 or more."""
BANDS = NEAR_BITS + 1
"""Two hashes that differ in at most 16 bits agree in at least one of 17 bands."""
_HASH_BITS = 256
_AT_ONCE = 4096

Entry = tuple[int, bytes, int, int]
"""A hash by one of its bands: the band's value, the 32 bytes, the class and the number."""
Separated = np.ndarray
"""(C, C) bool: whether pictures of two classes must not be the same."""


def band(packed: bytes, number: int) -> int:
    """15 or 16 bits of a hash, the band ``number`` of ``BANDS``."""
    start, end = _HASH_BITS * number // BANDS, _HASH_BITS * (number + 1) // BANDS
    return int.from_bytes(packed, "big") >> start & (1 << end - start) - 1


def near_pairs(
    bands: Iterable[Iterable[Entry]], separated: Separated
) -> Iterator[tuple[int, int, int]]:
    """Of every hash, the nearest that must not be near, if it is: (i, j, differing bits), i < j.

    Args:
        bands: for each band all hashes in the order of its values; of each band no more than some
            thousand hashes, or all that agree in it, are in memory at once.
        separated: (C, C) bool, symmetric.
    """
    nearest: dict[int, tuple[int, int]] = {}
    for entries in bands:
        for agreeing in _whole_buckets(entries):
            for one, other, bits in _close_pairs(agreeing, separated):
                for mine, theirs in ((one, other), (other, one)):
                    pair = (bits, theirs)
                    nearest[mine] = min(nearest.get(mine, pair), pair)
    yield from sorted({(min(i, j), max(i, j), bits) for i, (bits, j) in nearest.items()})


def _whole_buckets(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Sorted entries in parts, none of which ends amid those of one value."""
    left = iter(entries)
    entries_left: list[Entry] = []
    while some := list(islice(left, _AT_ONCE)):
        entries_left += some
        cut = bisect_left(entries_left, entries_left[-1][0], key=itemgetter(0))
        if cut:
            yield entries_left[:cut]
            del entries_left[:cut]
    if entries_left:
        yield entries_left


def _close_pairs(entries: list[Entry], separated: Separated) -> Iterator[tuple[int, int, int]]:
    """Numbers and differing bits of those that agree in the band, are near, and must not be."""
    values = np.array([value for value, _, _, _ in entries], np.uint16)
    packed = np.frombuffer(b"".join(packed for _, packed, _, _ in entries), np.uint64)
    packed = packed.reshape(len(entries), -1)
    kinds = np.array([kind for _, _, kind, _ in entries], np.uint16)
    # All buckets at once: each entry with the one that many places after it.
    for step in range(1, len(entries)):
        first = np.flatnonzero(values[step:] == values[:-step])
        if not len(first):
            return
        first = first[separated[kinds[first], kinds[first + step]]]
        bits = np.bitwise_count(packed[first] ^ packed[first + step]).sum(-1)
        for at in np.flatnonzero(bits <= NEAR_BITS):
            one = int(first[at])
            yield entries[one][3], entries[one + step][3], int(bits[at])
