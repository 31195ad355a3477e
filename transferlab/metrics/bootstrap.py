"""Intervals by resampling test groups: patients, lectures or chapters, never single samples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transferlab.core.records import DomainScore
from transferlab.metrics.answers import METRICS, Outcomes

MIN_GROUPS = 5
"""With fewer, a bootstrap says nothing about another draw of groups, and no interval is given."""
MIN_DEFINED_FRACTION = 0.9
"""Share of draws in which every metric must be defined (e.g. both labels drawn)."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A two-sided bootstrap interval, percentile method, in the unit of the value."""

    low: float
    high: float
    confidence: float
    """Nominal coverage, in (0, 1)."""


def resample(scores: Sequence[DomainScore], *, draws: int, seed: int) -> np.ndarray:
    """Scores of one domain under resampled test groups, the same groups for every score.

    Groups are drawn with replacement from all groups of the domain, so a patient who appears in
    several tasks is drawn into all of them. The draws depend on the seed and the domain's name
    alone: two calls about one domain are paired.

    Args:
        scores: S scores of one domain on the same test samples, e.g. of two arms.
        draws: B, number of bootstrap draws.
        seed: of the draws.

    Returns:
        (S, B) float64: ``DomainScore.value`` in each draw; NaN where a metric is undefined in it,
        and everywhere with fewer than ``MIN_GROUPS`` groups.

    Raises:
        ValueError: the scores are of different domains or of different test samples.
    """
    _check_paired(scores)
    first = scores[0]
    groups = {
        name: [group or f"sample {name} {index}" for index, group in enumerate(task.groups)]
        for name, task in first.tasks.items()
    }
    names = sorted({group for members in groups.values() for group in members})
    if len(names) < MIN_GROUPS:
        return np.full((len(scores), draws), np.nan)
    rng = np.random.default_rng([seed, _number(first.domain)])
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    column = {name: index for index, name in enumerate(names)}
    values = np.zeros((len(scores), draws))
    for name, members in groups.items():
        weights = counts[:, [column[group] for group in members]].astype(np.float64)
        for row, score in enumerate(scores):
            task = score.tasks[name]
            values[row] += METRICS[task.metric].pooled(Outcomes.of(task), weights)
    return values / len(groups)


def percentile_interval(values: np.ndarray, confidence: float) -> Interval | None:
    """The central ``confidence`` of bootstrap ``values``.

    Args:
        values: (B,) float64; NaN marks a draw in which the value is undefined.
        confidence: nominal coverage, in (0, 1).

    Returns:
        None when fewer than ``MIN_DEFINED_FRACTION`` of the draws are defined.
    """
    defined = values[~np.isnan(values)]
    if len(defined) < MIN_DEFINED_FRACTION * len(values) or not len(defined):
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(low=float(low), high=float(high), confidence=confidence)


def score_interval(
    score: DomainScore, *, draws: int, confidence: float, seed: int
) -> Interval | None:
    """The interval of one domain score; None where ``resample`` cannot give one."""
    return percentile_interval(resample([score], draws=draws, seed=seed)[0], confidence)


def _check_paired(scores: Sequence[DomainScore]) -> None:
    first = scores[0]
    for score in scores:
        if score.domain != first.domain:
            raise ValueError(f"scores of '{first.domain}' and '{score.domain}' cannot be paired")
        if list(score.tasks) != list(first.tasks):
            raise ValueError(f"scores of '{first.domain}' have different tasks; cannot be paired")
        for name, task in score.tasks.items():
            other = first.tasks[name]
            same = task.metric == other.metric and list(task.groups) == list(other.groups)
            if not same or list(task.labels) != list(other.labels):
                raise ValueError(
                    f"task '{name}' of '{first.domain}' was scored on different samples or by "
                    "different metrics; such scores cannot be paired"
                )


def _number(text: str) -> int:
    # hash() differs between processes; a digest does not.
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
