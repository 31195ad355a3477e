"""Intervals of what was made at several seeds: of a mean, and of a difference between two arms."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats
from transferlab.metrics.bootstrap import Interval, percentile_interval, resample

from transferlab.core.records import DomainScore

DRAWS = 2000
CONFIDENCE = 0.95

Scores = Mapping[str, DomainScore]
"""By domain."""


def difference(here: Sequence[Scores], there: Sequence[Scores]) -> tuple[float, Interval | None]:
    """``here`` less ``there``, the mean over domains and seeds, with a bootstrap interval.

    Each draw takes test groups (of every domain) and seeds with replacement; the groups are the
    same for both, the seeds are drawn apart, since one seed's training is as good as another's.

    Args:
        here: of one arm, by seed.
        there: of the other; the same domains.

    Returns:
        The difference, and its interval; None where a domain has too few groups or a metric is
        undefined in too many draws.
    """
    drawn = [_drawn(several) for several in (here, there)]
    rng = np.random.default_rng(0)
    means = []
    for rows in drawn:
        chosen = rng.integers(len(rows), size=(len(rows), DRAWS))
        means.append(np.take_along_axis(rows, chosen, axis=0).mean(axis=0))
    value = _mean(here) - _mean(there)
    return value, percentile_interval(means[0] - means[1], CONFIDENCE)


def _drawn(several: Sequence[Scores]) -> np.ndarray:
    """(seeds, draws): the mean over domains under resampled groups."""
    domains = list(several[0])
    by_domain = [
        resample([scores[domain] for scores in several], draws=DRAWS, seed=0) for domain in domains
    ]
    return np.mean(by_domain, axis=0)


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
