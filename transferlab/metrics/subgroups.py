"""Scores by the value of an attribute (sex, age band, view), and the gap between best and worst.

A value that occurs in few test groups is never shown by its name: it is pooled with the others of
its kind, because a score of three patients says nothing of a value and too much of the patients.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from transferlab.core.records import DomainScore, TaskScore
from transferlab.metrics.answers import METRICS, Outcomes, measure, undefined_because
from transferlab.metrics.groups import MIN_GROUPS, group_values
from transferlab.metrics.intervals import DIFFERENCE, SCORE, GroupMean, Interval, interval_of_mean

POOLED = "other"
"""All values of an attribute that occur in fewer than ``MIN_GROUPS`` test groups."""
NOT_GIVEN = "not given"
"""Samples without the attribute."""
TOO_FEW = "too few to say"


@dataclass(frozen=True, kw_only=True)
class SubgroupScore:
    """The primary metric on the samples of one value of an attribute."""

    samples: int
    groups: int
    value: float | None
    """None where there are too few groups, or the metric is undefined on them."""
    interval: Interval | None
    reason: str = ""
    """Why there is no interval; empty where there is one."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """The best value's score minus the worst one's, among those that have intervals."""

    best: str | None
    worst: str | None
    value: float | None
    interval: Interval | None
    reason: str = ""
    """Why there is no gap; empty where there is one."""


@dataclass(frozen=True, kw_only=True)
class Subgroups:
    """One task by one attribute."""

    by_value: Mapping[str, SubgroupScore]
    """Sorted, ``POOLED`` last."""
    gap: Gap


def score_by_value(
    score: DomainScore, task: str, values: Sequence[str], *, confidence: float
) -> Subgroups:
    """One task's primary metric for each value of an attribute.

    Args:
        score: of the domain.
        task: of the domain.
        values: the attribute's value of each sample, in the order of the task's samples; "" where
            a sample has none.
        confidence: of the intervals, in (0, 1).
    """
    whole = _with_group_names(score.tasks[task])
    shown = pool_rare(values, whole.groups)
    found: dict[str, SubgroupScore] = {}
    means: dict[str, GroupMean] = {}
    for value in sorted(set(shown), key=lambda one: (one == POOLED, one)):
        part = _subset(whole, [at for at, one in enumerate(shown) if one == value])
        metric_value, reason = _value_of(part, whole)
        if not reason:
            assert metric_value is not None, "a metric without a value has a reason"
            alone = replace(score, value=metric_value, tasks={task: part})
            numbers = group_values([alone])
            reason = numbers.reason
            if not reason:
                means[value] = GroupMean(
                    by_group=numbers.table[0], degrees=numbers.degrees, limits=SCORE
                )
        found[value] = SubgroupScore(
            samples=part.samples,
            groups=len(set(part.groups)),
            value=metric_value,
            interval=None if reason else interval_of_mean([means[value]], confidence),
            reason=reason,
        )
    return Subgroups(by_value=found, gap=_gap(means, confidence))


def pool_rare(values: Sequence[str], groups: Sequence[str]) -> list[str]:
    """The values as they may be shown: ``NOT_GIVEN`` for "", ``POOLED`` for rare ones.

    Args:
        values: per sample.
        groups: per sample, none of them empty.
    """
    named = [value or NOT_GIVEN for value in values]
    groups_of: dict[str, set[str]] = {}
    for value, group in zip(named, groups, strict=True):
        groups_of.setdefault(value, set()).add(group)
    return [value if len(groups_of[value]) >= MIN_GROUPS else POOLED for value in named]


def _with_group_names(task: TaskScore) -> TaskScore:
    """The same with a sample of no group as a group of its own."""
    named = [group or f"sample {at}" for at, group in enumerate(task.groups)]
    return replace(task, groups=named)


def _subset(task: TaskScore, rows: Sequence[int]) -> TaskScore:
    """Some samples of a task, with the value of the whole, which is still to be measured."""
    return replace(
        task,
        samples=len(rows),
        metrics={},
        groups=[task.groups[row] for row in rows],
        sample_values=[task.sample_values[row] for row in rows],
        labels=[task.labels[row] for row in rows] if task.labels else (),
        predicted=[task.predicted[row] for row in rows] if task.predicted else (),
        margins=[task.margins[row] for row in rows] if task.margins else (),
        statistics=[task.statistics[row] for row in rows] if task.statistics else (),
    )


def _value_of(part: TaskScore, whole: TaskScore) -> tuple[float | None, str]:
    """The metric on a part of a task, or None and the reason."""
    groups = len(set(part.groups))
    if groups < MIN_GROUPS:
        return None, f"{TOO_FEW}: {groups} test group(s), and a score needs {MIN_GROUPS}"
    # The mean recall of two labels is not to be held against that of three.
    if not METRICS[whole.metric].additive and set(part.labels) != set(whole.labels):
        return None, f"{TOO_FEW}: not every label occurs, and {whole.metric} weighs labels"
    outcomes = Outcomes.of(part)
    reason = undefined_because(whole.metric, outcomes)
    if reason:
        return None, f"{TOO_FEW}: {reason}"
    return measure(whole.metric, outcomes), ""


def _gap(means: Mapping[str, GroupMean], confidence: float) -> Gap:
    """The widest difference of all pairs of values.

    Which pair that is was seen in the same data, so the interval holds for all K (K - 1) / 2 pairs
    at once (Bonferroni). Within a pair it is MOVER (Zou & Donner 2008) of the two scores' margins,
    as if their groups were independent: where a group has samples of both, what they share makes it
    wider than it need be.
    """
    if len(means) < 2:
        reason = f"{TOO_FEW}: fewer than two values have a score with an interval"
        return Gap(best=None, worst=None, value=None, interval=None, reason=reason)
    ranked = sorted(means, key=lambda value: means[value].value)
    worst, best = ranked[0], ranked[-1]
    pairs = len(means) * (len(means) - 1) / 2
    simultaneous = 1 - (1 - confidence) / pairs
    best_below, best_above = means[best].margins(simultaneous)
    worst_below, worst_above = means[worst].margins(simultaneous)
    value = means[best].value - means[worst].value
    interval = Interval(
        low=max(value - math.hypot(best_below, worst_above), DIFFERENCE[0]),
        high=min(value + math.hypot(best_above, worst_below), DIFFERENCE[1]),
        confidence=confidence,
    )
    return Gap(best=best, worst=worst, value=value, interval=interval)
