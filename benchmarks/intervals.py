"""Intervals of what was made at several seeds: of a mean, and of a difference between two arms."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from transferlab.core.records import DomainScore
from transferlab.metrics.groups import group_values
from transferlab.metrics.intervals import DIFFERENCE, GroupMean, Interval, interval_of_mean

CONFIDENCE = 0.95

Scores = Mapping[str, DomainScore]
"""By domain."""


def difference(here: Sequence[Scores], there: Sequence[Scores]) -> tuple[float, Interval | None]:
    """``here`` less ``there``, the mean over domains and seeds, with its 95 % interval.

    Each side is the root of the summed squares of two margins: that over test groups, which are
    the same for both, of the means over seeds; and Student's t over seeds, which are paired with
    nothing, since one seed's training is as good as another's. Both arms' seeds are taken to spread
    alike; where either has one seed only, nothing is known of seeds and the first margin stands
    alone.

    Args:
        here: of one arm, by seed.
        there: of the other; the same domains.

    Returns:
        The difference, and its interval; None where a domain has too few groups for one.
    """
    parts = []
    for domain in here[0]:
        several = [[scores[domain] for scores in arm] for arm in (here, there)]
        groups = group_values([*several[0], *several[1]])
        if groups.reason:
            return _mean(here) - _mean(there), None
        ours, theirs = np.split(groups.table, [len(here)])
        by_group = ours.mean(axis=0) - theirs.mean(axis=0)
        parts.append(GroupMean(by_group=by_group, degrees=groups.degrees, limits=DIFFERENCE))
    value, over_groups = _mean(here) - _mean(there), interval_of_mean(parts, CONFIDENCE)
    seeds = _over_seeds([_mean([one]) for one in here], [_mean([one]) for one in there])
    return value, Interval(
        low=value - math.hypot(value - over_groups.low, seeds),
        high=value + math.hypot(over_groups.high - value, seeds),
        confidence=CONFIDENCE,
    )


def _over_seeds(here: Sequence[float], there: Sequence[float]) -> float:
    """Half of the interval of a difference of two means over seeds (Student, pooled variance)."""
    if min(len(here), len(there)) < 2:
        return 0.0
    degrees = len(here) + len(there) - 2
    squares = [statistics.variance(arm) * (len(arm) - 1) for arm in (here, there)]
    error = math.sqrt(sum(squares) / degrees * (1 / len(here) + 1 / len(there)))
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, df=degrees) * error)


def _mean(several: Sequence[Scores]) -> float:
    return statistics.mean(score.value for scores in several for score in scores.values())


def written(value: float, interval: Interval | None) -> str:
    """For a table: ``+0.123 [+0.045, +0.201]``."""
    if interval is None:
        return f"{value:+.3f} (no interval)"
    return f"{value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def half_width(values: Sequence[float]) -> float | None:
    """Of the 95 % interval (Student's t) of the mean over seeds; None where there is one only."""
    if len(values) == 1:
        return None
    factor = stats.t.ppf(0.975, df=len(values) - 1)
    return float(factor * stats.sem(values))


def spread(values: Sequence[float]) -> str:
    """The mean, and the half width of its 95 % interval over seeds where there are several."""
    half = half_width(values)
    return f"{statistics.mean(values):.3f}" + ("" if half is None else f" ± {half:.3f}")
