"""Intervals of what was trained at several seeds: of a mean score, and of a difference of two.

Each side is the root of the summed squares of two margins: that over test groups, of the means over
seeds, and Student's over seeds. Where there is one seed nothing is known of seeds, and the first
margin stands alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from transferlab.core.records import DomainScore
from transferlab.metrics.groups import group_values
from transferlab.metrics.intervals import DIFFERENCE, SCORE, GroupMean, Interval


def mean_over_seeds(
    scores: Sequence[DomainScore], *, confidence: float
) -> tuple[Interval | None, str]:
    """The interval of the mean of one domain's scores, one per seed, on the same test samples.

    Returns:
        The interval and "", or None and the reason.

    Raises:
        ValueError: the scores are of different test samples.
    """
    groups = group_values(scores)
    if groups.reason:
        return None, groups.reason
    part = GroupMean(by_group=groups.table.mean(axis=0), degrees=groups.degrees, limits=SCORE)
    return _joined(part, [scores], confidence), ""


def difference_over_seeds(
    here: Sequence[DomainScore], there: Sequence[DomainScore], *, confidence: float
) -> tuple[Interval | None, str]:
    """The interval of a difference of two means over seeds, paired by test group.

    Seeds are paired with nothing, since one seed's training is as good as another's; both sides'
    are taken to spread alike (pooled variance). With one seed each it is ``difference_interval``.

    Args:
        here: scores of one domain, one per seed.
        there: those that are subtracted.

    Returns:
        The interval and "", or None and the reason.

    Raises:
        ValueError: the scores are of different test samples.
    """
    groups = group_values([*here, *there])
    if groups.reason:
        return None, groups.reason
    ours, theirs = np.split(groups.table, [len(here)])
    by_group = ours.mean(axis=0) - theirs.mean(axis=0)
    part = GroupMean(by_group=by_group, degrees=groups.degrees, limits=DIFFERENCE)
    return _joined(part, [here, there], confidence), ""


def student_interval(values: Sequence[float], *, confidence: float) -> Interval | None:
    """Student's interval of the mean of one number per seed; None of fewer than two."""
    if len(values) < 2:
        return None
    points = np.array(values)
    quantile = float(stats.t.ppf((1 + confidence) / 2, df=len(points) - 1))
    margin = quantile * float(points.std(ddof=1)) / math.sqrt(len(points))
    mean = float(points.mean())
    return Interval(low=mean - margin, high=mean + margin, confidence=confidence)


def covers_seeds(*sides: Sequence[DomainScore]) -> bool:
    """Whether an interval says anything about other seeds than those that were trained."""
    return min(map(len, sides)) > 1


def _joined(part: GroupMean, sides: Sequence[Sequence[DomainScore]], confidence: float) -> Interval:
    """Both margins together, cut to what the value can be."""
    below, above = part.margins(confidence)
    seeds = _margin(sides, confidence) if covers_seeds(*sides) else 0.0
    low, high = part.limits
    return Interval(
        low=max(low, part.value - math.hypot(below, seeds)),
        high=min(high, part.value + math.hypot(above, seeds)),
        confidence=confidence,
    )


def _margin(sides: Sequence[Sequence[DomainScore]], confidence: float) -> float:
    """Half of Student's interval over seeds, the sides' variances pooled."""
    values = [np.array([score.value for score in side]) for side in sides]
    degrees = sum(len(side) - 1 for side in values)
    pooled = sum(float(side.var(ddof=1)) * (len(side) - 1) for side in values) / degrees
    error = math.sqrt(pooled * sum(1 / len(side) for side in values))
    return float(stats.t.ppf((1 + confidence) / 2, df=degrees)) * error
