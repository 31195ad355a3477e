"""How often intervals hold the truth: today's rule beside three others.

A part of ``simulations.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from report import table
from scipy import stats

from transferlab.core.records import DomainScore, TaskScore
from transferlab.metrics.answers import METRICS, Outcomes, measure
from transferlab.metrics.groups import group_values
from transferlab.metrics.intervals import difference_interval, score_interval

DRAWS = 400
GROUPS = (5, 10, 20, 50)
CONFIDENCE = 0.95
Answers = tuple[Outcomes, Outcomes, np.ndarray]
"""Two arms' outcomes on the same samples, and the group of each."""


def intervals(repetitions: int) -> Iterator[str]:
    """Share of repetitions whose interval holds the truth."""
    head = ["", *(f"{count} groups" for count in GROUPS)]
    rows = []
    for name, (metric, draw) in KINDS.items():
        truth = _values(metric, *draw(np.random.default_rng(0), 40_000)[:2])
        wanted = (truth[0], truth[0] - truth[1])
        found = [_coverage(metric, draw, wanted, count, repetitions) for count in GROUPS]
        for at, what in enumerate((name, "difference of two arms")):
            cells = [
                " / ".join(f"{one:.2f}" for one in held[at, :-1])
                + f" -> {held[at, -1]:.2f} ({widths[at]:.2f})"
                for held, widths in found
            ]
            rows.append([f"{what}: {wanted[at]:.2f}", *cells])
    yield table(head, rows)


def _coverage(
    metric: str,
    draw: Callable[..., Answers],
    wanted: Sequence[float],
    groups: int,
    repetitions: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Of the score and of the difference: (2, 4) coverage of percentile, BCa, t and today's rule,
    and (2,) mean widths of today's."""
    rng = np.random.default_rng([groups, 1])
    held, widths, asked = np.zeros((2, 4)), np.zeros(2), 0
    for _ in range(repetitions):
        one, other, group = draw(rng, groups)
        scores = [_score(metric, arm, group) for arm in (one, other)]
        found = [
            score_interval(scores[0], confidence=CONFIDENCE)[0],
            difference_interval(*scores, confidence=CONFIDENCE)[0],
        ]
        if found[0] is None or found[1] is None:
            continue  # a label in one group only: no interval is given
        asked += 1
        drawn = _bootstrap(metric, (one, other), group, rng)
        by_group = group_values(scores).table
        for at, now in enumerate(found):
            under = drawn[0] - drawn[1] if at else drawn[0]
            per_group = by_group[0] - by_group[1] if at else by_group[0]
            ends = [*_others(under[~np.isnan(under)], per_group), (now.low, now.high)]
            held[at] += [low - 1e-9 <= wanted[at] <= high + 1e-9 for low, high in ends]
            widths[at] += now.high - now.low
    return held / asked, widths / asked


def _others(drawn: np.ndarray, per_group: np.ndarray) -> list[tuple[float, float]]:
    """Ends by the percentile bootstrap (earlier versions' rule), BCa (Efron 1987), and plain t."""
    tails, value = np.array([0.025, 0.975]), float(per_group.mean())
    below = ((drawn < value - 1e-12).mean() + (drawn <= value + 1e-12).mean()) / 2
    bias = stats.norm.ppf(np.clip(below, 1 / len(drawn), 1 - 1 / len(drawn)))
    off = per_group - value
    squares = float((off**2).sum())
    acceleration = float((off**3).sum()) / (6 * squares**1.5) if squares > 1e-12 else 0.0
    moved = bias + stats.norm.ppf(tails)
    corrected = stats.norm.cdf(bias + moved / (1 - acceleration * moved))
    half = stats.t.ppf(0.975, len(per_group) - 1) * per_group.std(ddof=1) / len(per_group) ** 0.5
    ends = [np.quantile(drawn, tails), np.quantile(drawn, corrected), (value - half, value + half)]
    return [(float(low), float(high)) for low, high in ends]


def _bootstrap(
    metric: str, arms: Sequence[Outcomes], group: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """(2, DRAWS): both arms under resampled groups, as earlier versions did."""
    count = int(group.max()) + 1
    weights = rng.multinomial(count, np.full(count, 1 / count), size=DRAWS)[:, group]
    return np.stack([METRICS[metric].pooled(arm, weights.astype(float)) for arm in arms])


def _values(metric: str, *arms: Outcomes) -> list[float]:
    return [measure(metric, arm) for arm in arms]


def _score(metric: str, outcomes: Outcomes, group: np.ndarray) -> DomainScore:
    value = measure(metric, outcomes) if len(outcomes.values) else 0.0
    task = TaskScore(
        task="t", kind="classify", metric=metric, value=value, metrics={},
        samples=len(group), groups=[f"g{one}" for one in group],
        sample_values=outcomes.values.tolist(), labels=outcomes.labels.tolist(),
        predicted=outcomes.predicted.tolist(), margins=outcomes.margins.tolist(),
    )  # fmt: skip
    return DomainScore(domain="d", value=value, metric=metric, tasks={"t": task})


def _sizes(rng: np.random.Generator, groups: int, *, unequal: bool) -> np.ndarray:
    sizes = 1 + rng.poisson(rng.lognormal(1, 0.8, groups)) if unequal else np.full(groups, 4)
    return np.repeat(np.arange(groups), sizes)


def _shares(mean: float, *, unequal: bool = False, whole: bool = True) -> Callable[..., Answers]:
    """Right or wrong, or shares in between, with a chance that belongs to the group; the second arm
    is right where the first is, but for a fifth."""

    def draw(rng: np.random.Generator, groups: int) -> Answers:
        group = _sizes(rng, groups, unequal=unequal)
        chance = rng.beta(2 * mean, 2 * (1 - mean), groups)[group]
        if whole:
            luck = rng.random(len(group))
            values = [(luck < chance).astype(float), (luck < 0.8 * chance).astype(float)]
        else:
            own = rng.beta(4 * chance + 1e-3, 4 * (1 - chance) + 1e-3)
            values = [own, np.clip(own - 0.2 * rng.random(len(group)), 0, 1)]
        empty = np.zeros(0)
        arms = [
            Outcomes(values=one, labels=empty, predicted=empty, margins=empty) for one in values
        ]
        return arms[0], arms[1], group

    return draw


def _labelled(rng: np.random.Generator, groups: int) -> Answers:
    """Two labels, 35 to 65, with margins that share an offset within a group."""
    group = _sizes(rng, groups, unequal=True)
    labels = (rng.random(len(group)) < 0.35).astype(int)
    labels[[0, -1]] = 0, 1  # both occur
    margins = rng.normal(0, 0.7, groups)[group] + rng.normal(1.8 * (labels - 0.5), 1)
    arms = []
    for noise in (0.0, 0.8):
        noisy = margins + noise * rng.normal(size=len(group))
        predicted = (noisy > 0).astype(int)
        arms.append(
            Outcomes(
                values=(labels == predicted) * 1.0,
                labels=labels,
                predicted=predicted,
                margins=noisy,
            )
        )
    return arms[0], arms[1], group


KINDS: dict[str, tuple[str, Callable[..., Answers]]] = {
    "right or wrong": ("exact_match", _shares(0.5)),
    "right or wrong, unequal groups": ("exact_match", _shares(0.8, unequal=True)),
    "right or wrong, nearly all right": ("exact_match", _shares(0.95)),
    "continuous": ("token_f1", _shares(0.5, whole=False)),
    "continuous, unequal groups": ("token_f1", _shares(0.8, unequal=True, whole=False)),
    "continuous, nearly all right": ("token_f1", _shares(0.95, whole=False)),
    "AUROC, unequal groups": ("auroc", _labelled),
    "macro F1, unequal groups": ("macro_f1", _labelled),
    "balanced accuracy, unequal groups": ("balanced_accuracy", _labelled),
}
