"""What one way to get a model gains over another."""

from __future__ import annotations

from dataclasses import dataclass

from transferlab.core.records import DomainScore
from transferlab.metrics.intervals import Interval, difference_interval


@dataclass(frozen=True, kw_only=True)
class Gain:
    """The score of an arm minus the score of a reference arm on one domain."""

    domain: str
    arm: str
    over: str
    """The reference arm."""
    value: float
    """In the unit of the domain's score; positive means that ``arm`` is better."""
    interval: Interval | None
    """Over test groups, paired; None where there are too few."""
    negative_transfer: bool
    """Whether the whole interval lies below zero; False without an interval."""
    reason: str = ""
    """Why there is no interval; empty where there is one."""


def transfer_gain(
    score: DomainScore,
    reference: DomainScore,
    *,
    arm: str,
    over: str,
    confidence: float,
) -> Gain:
    """The gain of ``arm`` over ``over``, both scored on the same test samples.

    The two are subtracted group by group, so what is easy or hard for either cancels.
    The interval covers the choice of test groups, not of training seeds.

    Raises:
        ValueError: the two were not scored on the same samples by the same metrics.
    """
    interval, reason = difference_interval(score, reference, confidence=confidence)
    return Gain(
        domain=score.domain,
        arm=arm,
        over=over,
        value=score.value - reference.value,
        interval=interval,
        negative_transfer=interval is not None and interval.high < 0,
        reason=reason,
    )
