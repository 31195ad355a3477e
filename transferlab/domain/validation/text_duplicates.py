"""Texts that are nearly the same: sketches by which candidates are found, and the measure."""

from __future__ import annotations

import hashlib
import re
from functools import cache

import numpy as np
from datasketch import MinHash

MIN_WORDS = 12
"""Shorter texts are alike by chance."""
NEAR_TEXT = 0.8
"""Jaccard similarity of the sets of three consecutive words from which texts count as one."""
_BANDS, _PER_BAND = 10, 6
"""Texts of similarity s share a band with probability 1 - (1 - s^6)^10: 95 % at 0.8."""


def sketch(text: str, *, key: bytes) -> tuple[bytes, bytes, list[int]] | None:
    """What is kept of a text, from which it cannot be read, nor guessed without the key.

    Args:
        text: any.
        key: at most 64 bytes; sketches of two keys cannot be compared.

    Returns:
        Digest of its words; hashes of its runs of three words, sorted, as bytes of uint64; ten
        numbers of which nearly equal texts share at least one. None for a short text.
    """
    words = re.findall(r"\w+", text.casefold())
    if len(words) < MIN_WORDS:
        return None
    runs = {" ".join(words[i : i + 3]).encode() for i in range(len(words) - 2)}
    drawn = _blank().copy()  # a new one would draw its permutations again
    drawn.update_batch(list(runs))
    bands = drawn.hashvalues.reshape(_BANDS, _PER_BAND)
    pieces = np.sort(np.array([_number(run, key) for run in runs], np.uint64))
    digest = hashlib.blake2b(" ".join(words).encode(), digest_size=16, key=key).digest()
    numbers = [_number(bytes([at]) + band.tobytes(), key) for at, band in enumerate(bands)]
    return digest, pieces.tobytes(), [number - (1 << 63) for number in numbers]


def similarity(one: bytes, other: bytes) -> float:
    """Jaccard similarity of two texts, in [0, 1], from the hashes of ``sketch``."""
    mine, theirs = np.frombuffer(one, np.uint64), np.frombuffer(other, np.uint64)
    shared = len(np.intersect1d(mine, theirs, assume_unique=True))
    return shared / (len(mine) + len(theirs) - shared)


@cache
def _blank() -> MinHash:
    return MinHash(num_perm=_BANDS * _PER_BAND)


def _number(content: bytes, key: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8, key=key).digest(), "big")
