"""Confidence intervals of means over test groups that hold with few groups.

docs/statistics.md has the simulations by which these rules were chosen, and those they replaced.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from transferlab.core.records import DomainScore
from transferlab.metrics.groups import group_values

SCORE = (0.0, 1.0)
DIFFERENCE = (-1.0, 1.0)
"""The least and the greatest value of a score, and of a difference between two."""
_EQUAL = 1e-9
"""Pseudo-values that differ by less are equal: what is left is rounding."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A two-sided interval in the unit of the value, which lies in it."""

    low: float
    high: float
    confidence: float
    """Nominal coverage, in (0, 1)."""


@dataclass(frozen=True, kw_only=True)
class GroupMean:
    """A score, or a difference of scores, as the mean of numbers per group."""

    by_group: np.ndarray
    """(G,) float64, see ``metrics.groups``."""
    degrees: int
    limits: tuple[float, float]
    """``SCORE`` or ``DIFFERENCE``."""

    @property
    def value(self) -> float:
        return float(self.by_group.mean())

    def margins(self, confidence: float) -> tuple[float, float]:
        """How far below and above the value the interval reaches, both >= 0.

        Student's t after adding two groups that disagree (as Agresti & Coull 1998 do for shares):
        few groups look more alike than all are, and most so where values are skewed. Of a score the
        two are one that is all wrong and one that is all right; without them, five perfect groups
        would prove a perfect model. Of a difference they lie as far to both sides of the value as
        the largest difference of any group.

        A difference that is equal in all groups has the exact bound for what no group has shown: at
        most 1 - (a / 2)^(1 / G) of all groups differ, by as much as they can.
        """
        low, high = self.limits
        if self.limits == SCORE:
            below, above = self._with_two_more(low, high, confidence)
        elif np.ptp(self.by_group) < _EQUAL:
            unseen = 1 - ((1 - confidence) / 2) ** (1 / (self.degrees + 1))
            below, above = (self.value - low) * unseen, (high - self.value) * unseen
        else:
            largest = float(np.abs(self.by_group).max())
            below, above = self._with_two_more(
                self.value - largest, self.value + largest, confidence
            )
        return (
            min(max(below, 0.0), max(self.value - low, 0.0)),
            min(max(above, 0.0), max(high - self.value, 0.0)),
        )

    def _with_two_more(self, low: float, high: float, confidence: float) -> tuple[float, float]:
        """Margins about the value of Student's interval with groups at ``low`` and ``high`` too."""
        more = np.append(self.by_group, [low, high])
        error = more.std(ddof=1) / math.sqrt(len(more))
        half = float(stats.t.ppf((1 + confidence) / 2, df=self.degrees + 2) * error)
        moved = self.value - float(more.mean())
        return half + moved, half - moved


def interval_of_mean(parts: Sequence[GroupMean], confidence: float) -> Interval:
    """The interval of the mean of independent parts, e.g. of domains.

    Each side is the root of the summed squares of the parts' margins (MOVER: Zou & Donner 2008),
    which keeps their asymmetry. With equal parts of n groups it is Student's t of n - 1 degrees of
    freedom, so with few groups it is wider than it need be.
    """
    value = float(np.mean([part.value for part in parts]))
    below, above = zip(*(part.margins(confidence) for part in parts), strict=True)
    return Interval(
        low=value - math.hypot(*below) / len(parts),
        high=value + math.hypot(*above) / len(parts),
        confidence=confidence,
    )


def score_interval(score: DomainScore, *, confidence: float) -> tuple[Interval | None, str]:
    """The interval of one domain's score over its test groups.

    Returns:
        The interval and "", or None and the reason.
    """
    groups = group_values([score])
    if groups.reason:
        return None, groups.reason
    part = GroupMean(by_group=groups.table[0], degrees=groups.degrees, limits=SCORE)
    return interval_of_mean([part], confidence), ""


def difference_interval(
    score: DomainScore, reference: DomainScore, *, confidence: float
) -> tuple[Interval | None, str]:
    """The interval of a difference between two scores of one domain, paired by test group.

    Returns:
        The interval and "", or None and the reason.

    Raises:
        ValueError: the two were not scored on the same samples by the same metrics.
    """
    return mean_difference_interval([score], [reference], confidence=confidence)


def mean_difference_interval(
    scores: Sequence[DomainScore], references: Sequence[DomainScore], *, confidence: float
) -> tuple[Interval | None, str]:
    """The interval of the mean over domains of paired differences; domains are independent.

    Args:
        scores: one per domain.
        references: in the same order of domains.

    Returns:
        The interval and "", or None and the reason, which is that of the first domain without one.

    Raises:
        ValueError: two of a domain were not scored on the same samples by the same metrics.
    """
    parts = []
    for score, reference in zip(scores, references, strict=True):
        groups = group_values([score, reference])
        if groups.reason:
            return None, groups.reason
        by_group = groups.table[0] - groups.table[1]
        parts.append(GroupMean(by_group=by_group, degrees=groups.degrees, limits=DIFFERENCE))
    return interval_of_mean(parts, confidence), ""
