"""What the test split must not share with the others: groups, files, pictures, texts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from transferlab.core.records import SplitName
from transferlab.domain.asking import Asked
from transferlab.domain.report import Problem
from transferlab.domain.shelf import Shelf
from transferlab.domain.sides import shared_groups

NEAR_BITS = 16
"""Hashes of 256 bits that differ in no more are of one picture. Measured on 699 chest X-rays: one
at 70 % of its size and JPEG quality 50 differs in 8 or fewer, two patients' in 58 or more."""
_BANDS = NEAR_BITS + 1
"""Two hashes that differ in at most 16 bits agree in at least one of 17 bands."""
_ROWS_AT_ONCE = 256
MIN_WORDS = 12
"""Shorter texts are alike by chance."""
NEAR_TEXT = 0.8
"""Jaccard similarity of the sets of three consecutive words from which texts count as one."""
_PERMUTATIONS = 64
APART = "in different splits: give them one group, or leave one out"

Placed = Sequence[tuple[Asked, SplitName]]


def find_leaks(asked: Sequence[Asked], sides: Sequence[SplitName], shelf: Shelf) -> list[Problem]:
    """Everything that is on two sides of the splits.

    Shared groups, identical files and near-duplicate pictures are errors. Texts are warnings,
    because reports of healthy patients are often word for word the same.
    """
    placed = list(zip(asked, sides, strict=True))
    return [
        *_groups(asked, sides),
        *_identical_media(placed, shelf),
        *_near_pictures(placed, shelf),
        *_near_texts(placed),
    ]


def _groups(asked: Sequence[Asked], sides: Sequence[SplitName]) -> Iterator[Problem]:
    for on_each_side in shared_groups(asked, sides).values():
        places = " and ".join(one.where for one in on_each_side)
        yield Problem(
            kind="shared_group", where=places, reason="are of one group and in different splits"
        )


def _identical_media(placed: Placed, shelf: Shelf) -> Iterator[Problem]:
    first: defaultdict[str, dict[SplitName, str]] = defaultdict(dict)
    for one, side in placed:
        for ref in one.sample.media:
            first[shelf.fingerprint(ref)].setdefault(side, one.where)
    for on in first.values():
        if len(on) > 1:
            yield Problem(
                kind="identical_medium",
                where=_places(on),
                reason=f"have the same medium, byte for byte, and are {APART}",
            )


def _places(on: dict[SplitName, str]) -> str:
    return " and ".join(f"{where} ({side})" for side, where in on.items())


def _near_pictures(placed: Placed, shelf: Shelf) -> Iterator[Problem]:
    seen: dict[tuple[bytes, SplitName], tuple[str, str]] = {}
    for one, side in placed:
        for ref in one.sample.media:
            found = shelf.picture_hash(ref)
            if found is not None:
                seen.setdefault((found, side), (one.where, shelf.fingerprint(ref)))
    keys = list(seen)
    for i, j, bits in _near_pairs([key[0] for key in keys], [key[1] for key in keys]):
        (where, digest), (other, other_digest) = seen[keys[i]], seen[keys[j]]
        if digest == other_digest:
            continue  # told already, as identical
        yield Problem(
            kind="near_duplicate_picture",
            where=_places({keys[i][1]: where, keys[j][1]: other}),
            reason=f"show the same picture ({bits} of 256 bits of its hash differ) and are {APART}",
        )


def _near_pairs(
    hashes: Sequence[bytes], sides: Sequence[SplitName]
) -> Iterator[tuple[int, int, int]]:
    """Of every hash, the nearest on another side, if it is near: (i, j, differing bits), i < j."""
    if not hashes:
        return
    packed = np.frombuffer(b"".join(hashes), np.uint8).reshape(len(hashes), -1)
    bits = np.unpackbits(packed, axis=1)
    side = np.unique(np.array(sides), return_inverse=True)[1]
    nearest: dict[int, tuple[int, int]] = {}
    for columns in np.array_split(np.arange(bits.shape[1]), _BANDS):
        band = np.packbits(bits[:, columns], axis=1)
        for members in _buckets(band, side):
            for start in range(0, len(members), _ROWS_AT_ONCE):
                some = members[start : start + _ROWS_AT_ONCE]
                apart = np.bitwise_count(packed[some][:, None] ^ packed[members]).sum(-1)
                distance = np.where(side[some][:, None] == side[members], 999, apart)
                best = distance.argmin(1)
                for row in np.flatnonzero(distance[np.arange(len(some)), best] <= NEAR_BITS):
                    pair = (int(distance[row, best[row]]), int(members[best[row]]))
                    mine = int(some[row])
                    nearest[mine] = min(nearest.get(mine, pair), pair)
    yield from sorted({(min(i, j), max(i, j), bits) for i, (bits, j) in nearest.items()})


def _buckets(band: np.ndarray, side: np.ndarray) -> Iterator[np.ndarray]:
    """Indices of hashes that agree in a band, where they are on more than one side."""
    _, inverse = np.unique(band, axis=0, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(inverse[order])) + 1):
        if len(members) > 1 and len(np.unique(side[members])) > 1:
            yield members


def _near_texts(placed: Placed) -> Iterator[Problem]:
    """One problem for all texts that are repeated, with the first of them."""
    # Imported here: it brings scipy, and nothing else needs it.
    from datasketch import MinHash, MinHashLSH

    blank = MinHash(num_perm=_PERMUTATIONS)
    index = MinHashLSH(threshold=NEAR_TEXT, num_perm=_PERMUTATIONS)
    texts: dict[tuple[str, SplitName], str] = {}
    for one, side in placed:
        words = re.findall(r"\w+", one.own_text.casefold())
        if len(words) >= MIN_WORDS:
            texts.setdefault((" ".join(words), side), one.where)
    repeated: list[str] = []
    for key, where in texts.items():
        sketch = blank.copy()  # a new one would draw its permutations again
        sketch.update_batch([piece.encode() for piece in _shingles(key[0])])
        others = (other for other in index.query(sketch) if other[1] != key[1])
        match = next((other for other in others if _jaccard(key[0], other[0]) >= NEAR_TEXT), None)
        if match is not None:
            repeated.append(_places({match[1]: texts[match], key[1]: where}))
        index.insert(key, sketch)
    if repeated:
        yield Problem(
            kind="near_duplicate_text",
            where=repeated[0],
            reason=f"have nearly the same text of {MIN_WORDS} or more words; so have "
            f"{len(repeated) - 1} more such pairs in different splits",
            severity="warning",
        )


def _shingles(text: str) -> set[str]:
    words = text.split()
    return {" ".join(words[i : i + 3]) for i in range(len(words) - 2)}


def _jaccard(one: str, other: str) -> float:
    mine, theirs = _shingles(one), _shingles(other)
    return len(mine & theirs) / len(mine | theirs)
