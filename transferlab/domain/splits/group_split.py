"""Splits by group: no patient, lecture or chapter is in two splits."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from transferlab.config.domain import SplitsSection
from transferlab.core.records import SPLITS, SplitName
from transferlab.errors import DataError

_PRIORITY: tuple[SplitName, ...] = ("test", "validation", "train")
"""Who takes a group when two splits want it equally: scores need groups most."""


def split_groups(strata: Mapping[str, str], section: SplitsSection) -> dict[str, SplitName]:
    """Deal groups out to the splits.

    Strata, and groups within them, are shuffled by a seeded hash, and each group goes to the split
    that is furthest behind its share. So the result depends on the groups and the seed alone, never
    on the order of rows, and every stratum is shared out about as the whole.

    Args:
        strata: the stratum of each group ("" for all where there are none), by group.
        section: shares and seed.

    Returns:
        The split of each group. Every split has at least one.

    Raises:
        DataError: fewer than three groups.
    """
    if len(strata) < len(SPLITS):
        raise DataError(
            f"{len(strata)} group(s) cannot be split into {', '.join(SPLITS)}; "
            "at least 3 groups (patients, lectures, chapters) are needed"
        )
    # Strata are shuffled too: else the place in the alphabet would decide where small ones fall.
    order = sorted(
        strata,
        key=lambda group: (
            shuffle_key(strata[group], section.seed),
            shuffle_key(group, section.seed),
        ),
    )
    assigned = dict(assign_groups(order, section))
    counts = Counter(assigned.values())
    for split in _PRIORITY:
        if not counts[split]:
            largest = max(_PRIORITY, key=counts.__getitem__)
            moved = next(group for group in reversed(order) if assigned[group] == largest)
            assigned[moved] = split
            counts.update({split: 1, largest: -1})
    return assigned


def assign_groups(order: Iterable[str], section: SplitsSection) -> Iterator[tuple[str, SplitName]]:
    """Each group, in the order of ``split_groups``, with the split furthest behind its share.

    A split with a small share may get none of few groups.
    """
    shares = {name: float(getattr(section, name)) for name in SPLITS}
    counts: Counter[SplitName] = Counter()
    for assigned, group in enumerate(order, start=1):
        # Rounded, so that equal deficits tie on every machine.
        behind = {name: round(shares[name] * assigned - counts[name], 9) for name in _PRIORITY}
        split = max(_PRIORITY, key=behind.__getitem__)
        counts[split] += 1
        yield group, split


def commonest(values: Iterable[str]) -> str:
    """The value that occurs most often; the alphabetically first of equals."""
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value))


def shuffle_key(group: str, seed: int) -> str:
    """By which groups, and strata, are put in an order that is the same everywhere."""
    return hashlib.sha256(f"{seed}\x1f{group}".encode()).hexdigest()
