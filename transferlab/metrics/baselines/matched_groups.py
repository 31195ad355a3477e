"""Two sets of samples made exchangeable, so that permuting their groups is a valid test.

Whole groups must be permuted, since samples of a group are alike. But groups of other sizes are not
exchangeable: with 200 pictures of 200 patients on one side and 200 of 20 on the other, a permuted
side of 200 groups has twice the samples that the real one has and the other hardly any, and
distances between so unequal sides are large, whatever the sets are like. So both sides get as many
units of as many samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from transferlab.metrics.pool import Pool

BASELINE = "groups of equal size are permuted"
"""Which rule it is: what was measured by another one is measured anew."""
MIN_SAMPLES = 10
"""Of each set; with fewer, no measure is given."""
MIN_UNITS, MAX_UNITS = 10, 40
"""Of each side, where units are dealt together and the sides have as many. Fewer are made only
where ``MIN_SAMPLES`` are not reached otherwise."""
MIN_CORRELATION = 0.5
"""Intra-class correlation above which one sample of a group stands for all of it."""
DESIGN_EFFECT = 5.0
"""1 + (samples of a group - 1) x intra-class correlation: how much less a sample says for being one
of its group."""


def match_groups(pool: Pool) -> Pool:
    """A pool whose units are of equal size, drawn from the given one.

    Where all units are of one size already, that is the pool itself. Otherwise:

    1. Where samples of a unit are much alike (``ALIKE``), one of each is kept; otherwise as many as
       keep the design effect below ``DESIGN_EFFECT``; but as many as make ``MIN_SAMPLES`` of each
       side. More say little that is new, and large units of one side would be more alike than those
       dealt together for the other.
    2. Unless the units are of equal size then, those of each side are dealt into equally many
       larger units, evenly by samples, and all are cut to the size of the smallest. Of the numbers
       of units that both sides allow, the one that loses the fewest samples is taken.

    Returns:
        A pool with new ``units``, ``sizes``, and the rows and labels that were kept.
    """
    if _equal(np.unique(pool.units, return_counts=True)[1]):
        return pool
    rng = np.random.default_rng(pool.seed)
    pools = [_members(pool, first=True), _members(pool, first=False)]
    fewest = min(map(len, pools))
    correlation = _intra_class(pool)
    most = (
        1
        if correlation > MIN_CORRELATION
        else 1 + int((DESIGN_EFFECT - 1) / max(correlation, 1e-6))
    )
    most = max(most, -(-MIN_SAMPLES // fewest))
    chosen = [[rng.permutation(unit)[:most] for unit in pool_units] for pool_units in pools]
    if not _equal(np.array([len(unit) for pool_units in chosen for unit in pool_units])):
        chosen = _equal_blocks(chosen, rng)
    units = [*chosen[0], *chosen[1]]
    rows = np.concatenate(units)
    return replace(
        pool,
        rows=pool.rows[rows],
        units=np.repeat(np.arange(len(units)), [len(unit) for unit in units]),
        sizes=(sum(map(len, chosen[0])), sum(map(len, chosen[1]))),
        labels=None if pool.labels is None else pool.labels[rows],
    )


def _equal(sizes: np.ndarray) -> bool:
    return int(sizes.min()) == int(sizes.max())


def _members(pool: Pool, *, first: bool) -> list[np.ndarray]:
    """The rows of each unit of one side."""
    label = np.arange(len(pool.rows)) < pool.sizes[0]
    return [
        np.flatnonzero(pool.units == unit)
        for unit in np.unique(pool.units[label == first]).tolist()
    ]


def _equal_blocks(
    pools: Sequence[Sequence[np.ndarray]], rng: np.random.Generator
) -> list[list[np.ndarray]]:
    """Both sides' units dealt into equally many of equal size, with as many samples as can be."""
    most = min(*map(len, pools), MAX_UNITS)
    shuffled = [[units[at] for at in rng.permutation(len(units))] for units in pools]
    best: list[list[np.ndarray]] = []
    largest = 0
    for count in range(most, 1, -1):
        if count < MIN_UNITS and largest >= MIN_SAMPLES:
            break
        blocks = [_blocks(units, count) for units in shuffled]
        size = min(len(unit) for block in blocks for unit in block)
        if size * count > largest:
            largest = size * count
            best = [[rng.permutation(unit)[:size] for unit in block] for block in blocks]
    return best


def _blocks(units: Sequence[np.ndarray], count: int) -> list[np.ndarray]:
    """Units dealt into ``count`` larger ones: the largest first, each to the one with fewest rows.

    None keeps more rows than an even share, so that a huge unit does not starve the others.
    """
    share = max(1, sum(map(len, units)) // count)
    blocks: list[list[int]] = [[] for _ in range(count)]
    for unit in sorted((unit[:share] for unit in units), key=len, reverse=True):
        min(blocks, key=len).extend(unit.tolist())
    return [np.array(unit) for unit in blocks]


def _intra_class(pool: Pool) -> float:
    """Intra-class correlation of the rows about their side's mean (one-way ANOVA), in [0, 1].

    Over all columns at once: sums of squares are traces.
    """
    label = (np.arange(len(pool.rows)) >= pool.sizes[0]).astype(int)
    centre = np.stack([pool.rows[label == at].mean(axis=0) for at in (0, 1)])
    rows = pool.rows - centre[label]
    _, unit, sizes = np.unique(pool.units, return_inverse=True, return_counts=True)
    sums = np.zeros((len(sizes), rows.shape[1]))
    np.add.at(sums, unit, rows)
    between = float((sums**2 / sizes[:, None]).sum())
    within = float((rows**2).sum()) - between
    units, total = len(sizes), len(rows)
    if units <= 2 or total == units:
        return 0.0
    mean_between, mean_within = between / (units - 2), within / (total - units)
    size = (total - (sizes**2).sum() / total) / (units - 1)
    below = mean_between + (size - 1) * mean_within
    return float(np.clip((mean_between - mean_within) / below, 0, 1)) if below > 0 else 0.0
