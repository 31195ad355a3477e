"""Of arms that are compared with the next best: how often a lead is claimed that there is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from report import table

from transferlab.core.records import DomainScore, TaskScore
from transferlab.evaluation.leads import MODELS, leads

GROUPS = (20, 50)
ARMS: dict[str, Sequence[float]] = {
    "two equal": (0.5, 0.5),
    "four equal": (0.5, 0.5, 0.5, 0.5),
    "two equal, two far behind": (0.5, 0.5, 0.2, 0.2),
    "one ahead by 0.02": (0.52, 0.5, 0.5, 0.5),
    "one ahead by 0.05": (0.55, 0.5, 0.5, 0.5),
    "one ahead by 0.10": (0.6, 0.5, 0.5, 0.5),
}
"""By name: the expected score of each arm."""


def best_arm(repetitions: int) -> Iterator[str]:
    """Claims of a lead that there is not / intervals that miss the lead / leads that were found."""
    yield "Best against next best, groups drawn with a deviation of 0.1 an arm and 0.1 in common:\n"
    rows = []
    for name, expected in ARMS.items():
        cells = []
        for groups in GROUPS:
            rng = np.random.default_rng([groups, 3])
            found = np.array([_claims(rng, expected, groups) for _ in range(repetitions)])
            cells.append(" / ".join(f"{share:.3f}" for share in found.mean(axis=0)))
        rows.append([name, *cells])
    yield table(["", *(f"{groups} groups" for groups in GROUPS)], rows)


def _claims(
    rng: np.random.Generator, expected: Sequence[float], groups: int
) -> tuple[bool, bool, bool]:
    common = rng.normal(0, 0.1, groups)
    truth = dict(zip(MODELS, expected, strict=False))
    scores = {
        arm: {"d": _scored(mean + common + rng.normal(0, 0.1, groups))}
        for arm, mean in truth.items()
    }
    one, _ = leads(scores, ["d"], trained_by={arm: arm for arm in scores}, confidence=0.95)
    assert one.interval is not None
    assert one.over is not None
    difference = truth[one.arm] - truth[one.over]
    claimed = one.interval.low > 0
    missed = not one.interval.low <= difference <= one.interval.high
    return claimed and difference <= 0, missed, claimed and difference > 0


def _scored(by_group: np.ndarray) -> DomainScore:
    values = by_group.tolist()
    task = TaskScore(
        task="t",
        kind="describe",
        metric="token_f1",
        value=float(by_group.mean()),
        metrics={},
        samples=len(values),
        groups=[str(index) for index in range(len(values))],
        sample_values=values,
    )
    return DomainScore(domain="d", value=task.value, metric="token_f1", tasks={"t": task})
