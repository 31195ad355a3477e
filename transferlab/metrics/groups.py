"""Scores as means over test groups: patients, lectures or chapters, never single samples.

Groups are what a test split is a sample of, so every interval begins here. The jackknife turns any
metric into one number per group (its pseudo-values), whose mean is the score and whose spread says
how far another draw of groups could lead; this is the linearisation that survey statistics uses for
ratios, and it holds for AUROC or macro F1 as for a plain share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from transferlab.core.records import DomainScore, TaskScore
from transferlab.metrics.answers import METRICS, Outcomes

MIN_GROUPS = 5
"""Of each task; with fewer, no interval is given."""
MAX_UNITS = 500
"""More groups than that are dealt at random to so many units, which bounds the work."""
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class GroupValues:
    """S scores of one domain, as numbers per test group."""

    table: np.ndarray
    """(S, G) float64 pseudo-values; the mean of a row is the score. (S, 0) where there are none."""
    degrees: int
    """Degrees of freedom: groups of the task that has fewest, less one."""
    reason: str = ""
    """Why there are none, as a sentence without its full stop; empty where there are."""


def group_values(scores: Sequence[DomainScore]) -> GroupValues:
    """Pseudo-values of S scores of one domain (Quenouille 1956; Tukey 1958), paired by group.

    z_g = G score - (G - 1) score without group g, moved so that their mean is the score. A group
    that occurs in several tasks is left out of all of them at once.

    Args:
        scores: on the same test samples, e.g. of two arms, or of the rows of a score matrix.

    Raises:
        ValueError: the scores are of different domains or of different test samples.
    """
    _check_paired(scores)
    members = _members(scores[0])
    fewest = min(members, key=lambda name: len(set(members[name])))
    degrees = len(set(members[fewest])) - 1
    empty = np.zeros((len(scores), 0))
    if degrees + 1 < MIN_GROUPS:
        reason = (
            f"task '{fewest}' of {scores[0].domain} has {degrees + 1} test group(s), and an "
            f"interval needs {MIN_GROUPS}"
        )
        return GroupValues(table=empty, degrees=degrees, reason=reason)
    lone = _labels_of_one_group(scores[0], members)
    if lone:
        reason = (
            f"task '{lone}' of {scores[0].domain} has a label that occurs in one test group only, "
            f"and {scores[0].tasks[lone].metric} weighs labels"
        )
        return GroupValues(table=empty, degrees=degrees, reason=reason)
    units = _units(members, scores[0].domain)
    count = 1 + max(int(of_task.max()) for of_task in units.values())
    without = {
        name: np.stack([_without_each(one.tasks[name], units[name], count) for one in scores])
        for name in members
    }
    undefined = [name for name, of_task in without.items() if np.isnan(of_task).any()]
    if undefined:
        reason = (
            f"task '{undefined[0]}' of {scores[0].domain} has no score without one of its test "
            "groups"
        )
        return GroupValues(table=empty, degrees=degrees, reason=reason)
    left = np.mean([*without.values()], axis=0)
    value = np.array([[score.value] for score in scores])
    table = value + (count - 1) * (left.mean(axis=1, keepdims=True) - left)
    return GroupValues(table=table, degrees=min(degrees, count - 1))


def _members(score: DomainScore) -> dict[str, list[str]]:
    """By task: the group of each sample; a sample without one stands for itself."""
    return {
        name: [group or f"sample {name} {index}" for index, group in enumerate(task.groups)]
        for name, task in score.tasks.items()
    }


def _labels_of_one_group(score: DomainScore, members: dict[str, list[str]]) -> str | None:
    """The first task whose metric is no mean of samples and of which one label is in one group.

    Without that group the metric would be another one, of fewer labels.
    """
    for name, task in score.tasks.items():
        if METRICS[task.metric].additive or not task.labels:
            continue
        groups_of: dict[int, set[str]] = {}
        for label, group in zip(task.labels, members[name], strict=True):
            groups_of.setdefault(label, set()).add(group)
        if min(map(len, groups_of.values())) < 2:
            return name
    return None


def _units(members: dict[str, list[str]], domain: str) -> dict[str, np.ndarray]:
    """By task, per sample: the number of its unit, (N,) int64."""
    names = sorted({group for of_task in members.values() for group in of_task})
    column = np.arange(len(names))
    if len(names) > MAX_UNITS:
        # hash() differs between processes; a digest does not.
        seed = int.from_bytes(hashlib.sha256(domain.encode()).digest()[:8], "big")
        column = np.random.default_rng(seed).permutation(len(names)) % MAX_UNITS
    unit = dict(zip(names, column.tolist(), strict=True))
    return {name: np.array([unit[group] for group in of_task]) for name, of_task in members.items()}


def _without_each(task: TaskScore, units: np.ndarray, count: int) -> np.ndarray:
    """(G,) float64: the task's score with each unit left out; NaN where it is undefined."""
    outcomes, pooled = Outcomes.of(task), METRICS[task.metric].pooled
    return np.concatenate(
        [pooled(outcomes, (units != rows[:, None]).astype(np.float64)) for rows in _blocks(count)]
    )


def _blocks(count: int) -> Iterator[np.ndarray]:
    for start in range(0, count, _ROWS_AT_ONCE):
        yield np.arange(start, min(start + _ROWS_AT_ONCE, count))


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
