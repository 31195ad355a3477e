"""Which arm is ahead, on each domain and over the stream, and whether that is shown.

The arm that scores best is chosen by the very scores that it is then compared on. Against the next
best, and not against the worst, that choice makes no lead surer than the interval says: a test of
the best against the runner-up keeps its level (Gutmann & Maymin 1987,
doi:10.1214/aos/1176350376). docs/statistics.md has the simulation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from transferlab.core.records import DomainScore
from transferlab.metrics.intervals import Interval, mean_difference_interval

MODELS = ("sequential", "single", "joint", "zero_shot")
"""Arms whose model somebody may take; of equal ones the first. Scratch is a yardstick."""

ArmScores = Mapping[str, Mapping[str, DomainScore]]
"""By arm and domain."""


@dataclass(frozen=True, kw_only=True)
class Lead:
    """The best arm and its difference to the next best of another training."""

    domain: str | None
    """None for the mean over the stream."""
    arm: str
    over: str | None = None
    """None where no other training was scored on the same domains; no figure then either."""
    value: float | None = None
    """The difference of the two scores, at least 0."""
    interval: Interval | None = None
    """Of the difference, paired by test group."""
    reason: str = ""
    """Why there is no interval."""
    groups: int = 0
    """Test groups of the task, of all that were scored, that has the fewest."""
    means: Mapping[str, float] = field(default_factory=dict)
    """By arm, best first: its score, or its mean over the stream."""


def leads(
    scores: ArmScores,
    stream: Sequence[str],
    *,
    trained_by: Mapping[str, str],
    confidence: float,
) -> list[Lead]:
    """The lead on each domain of the stream, among all arms, and that over all of it, among MODELS.

    Args:
        scores: by arm and domain; every arm in it was scored on the same samples.
        stream: names of the domains.
        trained_by: by arm, the arm whose training it is: two arms of one training are one model,
            and neither is ahead of the other.
        confidence: nominal coverage in (0, 1).

    Returns:
        One per domain of the stream that some arm was scored on, in its order, and last the one
        over the stream, if some arm was scored on all of it.
    """
    found = [
        _lead(scores, [domain], list(scores), domain, trained_by=trained_by, confidence=confidence)
        for domain in stream
    ]
    models = [arm for arm in MODELS if arm in scores]
    found.append(_lead(scores, stream, models, None, trained_by=trained_by, confidence=confidence))
    return [one for one in found if one is not None]


def _lead(
    scores: ArmScores,
    domains: Sequence[str],
    arms: Sequence[str],
    name: str | None,
    *,
    trained_by: Mapping[str, str],
    confidence: float,
) -> Lead | None:
    """The lead in the mean over ``domains`` among those of ``arms`` that were scored on all."""
    whole = {
        arm: [scores[arm][domain] for domain in domains]
        for arm in arms
        if all(domain in scores[arm] for domain in domains)
    }
    means = {arm: sum(one.value for one in own) / len(own) for arm, own in whole.items()}
    ranked = sorted(whole, key=lambda arm: means[arm], reverse=True)
    if not ranked:
        return None
    best = ranked[0]
    found = Lead(
        domain=name,
        arm=best,
        groups=min(len(set(task.groups)) for one in whole[best] for task in one.tasks.values()),
        means={arm: means[arm] for arm in ranked},
    )
    others = [arm for arm in ranked if trained_by[arm] != trained_by[best]]
    if not others:
        return found
    interval, reason = mean_difference_interval(
        whole[best], whole[others[0]], confidence=confidence
    )
    value = means[best] - means[others[0]]
    return replace(found, over=others[0], value=value, interval=interval, reason=reason)
