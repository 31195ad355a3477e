"""What one way to get a model gains over another."""

from __future__ import annotations

from dataclasses import dataclass

from transferlab.core.records import DomainScore
from transferlab.metrics.bootstrap import Interval, percentile_interval, resample


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
    """Paired bootstrap over test groups; None where there are too few groups."""
    negative_transfer: bool
    """Whether the whole interval lies below zero; False without an interval."""


def transfer_gain(
    score: DomainScore,
    reference: DomainScore,
    *,
    arm: str,
    over: str,
    draws: int,
    confidence: float,
    seed: int,
) -> Gain:
    """The gain of ``arm`` over ``over``, both scored on the same test samples.

    Test groups are drawn once per draw for both arms, so what is easy or hard for either cancels.
    The interval covers the choice of test groups, not of training seeds.

    Raises:
        ValueError: the two were not scored on the same samples by the same metrics.
    """
    ours, theirs = resample([score, reference], draws=draws, seed=seed)
    interval = percentile_interval(ours - theirs, confidence)
    return Gain(
        domain=score.domain,
        arm=arm,
        over=over,
        value=score.value - reference.value,
        interval=interval,
        negative_transfer=interval is not None and interval.high < 0,
    )
