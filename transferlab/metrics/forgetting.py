"""Forgetting without the bias of a maximum over noisy scores.

Chaudhry's forgetting takes the best of several noisy scores: where nothing is forgotten, one of
them still looks best, by luck, and the difference is above zero. Here the groups that choose the
best row are never those on which it is measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transferlab.metrics.groups import GroupValues
from transferlab.metrics.intervals import DIFFERENCE, GroupMean, Interval, interval_of_mean

_TIE = 1e-9


@dataclass(frozen=True, kw_only=True)
class CorrectedForgetting:
    """Mean forgetting over domains, cross-fitted."""

    value: float
    """In the unit of the scores. Where nothing is forgotten its mean is 0; where the best row is
    hard to tell from others it lies a little below the truth."""
    interval: Interval


def corrected_forgetting(
    domains: Sequence[GroupValues], *, halvings: int, confidence: float, seed: int
) -> CorrectedForgetting:
    """Cross-fitted forgetting and its interval.

    The groups of a domain are halved at random; the row with the best mean on one half is compared
    with the last row on the other half, both ways, and the mean over ``halvings`` is taken (rows
    that tie share). On groups that did not choose, the chosen row is no better than it is, so this
    is at most the truth on average, and its lower margin holds. The upper end is the highest upper
    end over all choices of one row per domain: one of these choices is the right one, so that end
    holds whichever it is.

    Args:
        domains: of each domain but the last of the stream, scores of T rows before the last step
            and of the last, in this order, with groups to have an interval.
        halvings: random halvings of the groups, >= 1.
        confidence: of the interval, in (0, 1).
        seed: of the halvings.
    """
    chosen, differences = [], []
    for index, domain in enumerate(domains):
        difference = domain.table[:-1] - domain.table[-1]
        halves = _halves(difference.shape[1], halvings, np.random.default_rng([seed, index]))
        by_group = _cross_fitted(difference, halves)
        chosen.append(GroupMean(by_group=by_group, degrees=domain.degrees, limits=DIFFERENCE))
        differences.append(
            [
                GroupMean(by_group=row, degrees=domain.degrees, limits=DIFFERENCE)
                for row in difference
            ]
        )
    fitted = interval_of_mean(chosen, confidence)
    value = float(np.mean([one.value for one in chosen]))
    high = _highest(differences, confidence)
    interval = Interval(low=fitted.low, high=max(high, value), confidence=confidence)
    return CorrectedForgetting(value=value, interval=interval)


def _halves(groups: int, halvings: int, rng: np.random.Generator) -> np.ndarray:
    """(2 halvings, G) bool: which groups choose; every half and its complement."""
    order = np.argsort(rng.random((halvings, groups)), axis=1)
    choosing = np.zeros((halvings, groups), bool)
    np.put_along_axis(choosing, order[:, : groups // 2], True, axis=1)
    return np.concatenate([choosing, ~choosing])


def _cross_fitted(difference: np.ndarray, choosing: np.ndarray) -> np.ndarray:
    """(G,): per group, what the rows that others chose exceed the last by.

    Args:
        difference: (T, G) each row less the last.
        choosing: (H, G) bool.
    """
    on_half = (choosing @ difference.T) / choosing.sum(axis=1, keepdims=True)
    best = on_half >= on_half.max(axis=1, keepdims=True) - _TIE
    shares = best / best.sum(axis=1, keepdims=True)
    measured = ~choosing
    # A group is measured in exactly one of a half and its complement.
    return ((shares @ difference) * measured).sum(axis=0) / measured.sum(axis=0)


def _highest(domains: Sequence[Sequence[GroupMean]], confidence: float) -> float:
    """The highest upper end over all choices of one row per domain.

    An end is mean + root of summed squares, so of all sums so far only those can win that no other
    exceeds in both.
    """
    sums = [(0.0, 0.0)]
    for rows in domains:
        reached = [(row.value, row.margins(confidence)[1] ** 2) for row in rows]
        candidates = [(a + value, b + square) for a, b in sums for value, square in reached]
        sums, widest = [], -1.0
        for value, square in sorted(candidates, key=lambda one: (-one[0], -one[1])):
            if square > widest:
                sums.append((value, square))
                widest = square
    return max(value + math.sqrt(square) for value, square in sums) / len(domains)
