"""The page of benchmarks/transfer_study.py."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from intervals import CONFIDENCE, difference, written
from report import filled, mean_and_spread, table

from transferlab.core.records import DomainScore, TaskScore
from transferlab.metrics.intervals import Interval

PROBES = ("pretrained, mean", "pretrained, grid", "random, mean", "random, grid")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One task of a domain at one number of training samples."""

    domain: str
    task: str
    samples: int
    metric: str
    scores: Mapping[str, Sequence[DomainScore]]
    """By arm, of every seed: the domain's scores, of which this task is one."""
    majority: float
    pixels: float
    probes: Mapping[str, float]
    steps: Mapping[str, int]
    """By arm, as chosen on the validation split."""

    def values(self, arm: str) -> list[float]:
        """The task's value at every seed."""
        return [score.tasks[self.task].value for score in self.scores[arm]]

    def gain(self) -> tuple[float, Interval | None]:
        """Pretrained less scratch, with an interval over test groups and seeds."""
        pretrained, scratch = (
            [
                {self.domain: replace(s, value=s.tasks[self.task].value, tasks=self._only(s))}
                for s in self.scores[arm]
            ]
            for arm in ("pretrained", "scratch")
        )
        return difference(pretrained, scratch)

    def _only(self, score: DomainScore) -> dict[str, TaskScore]:
        return {self.task: score.tasks[self.task]}


def page(rows: Sequence[Row], *, seeds: int, length: str) -> str:
    """Markdown; nothing in it is written by hand but what does not depend on the results.

    Args:
        length: how many steps each arm gets, in words.
    """
    about = f"""Made by `python benchmarks/transfer_study.py pipelines/study-transfer.yaml`. {seeds}
seeds; a score is their mean ± sample standard deviation. The gain, pretrained less scratch, has a
{CONFIDENCE:.0%} interval over test groups (patients) and seeds. The `pixels` control,
logistic regression on 20 principal components of the picture in 32 x 32 grey values, saw the same
training samples; so did the probes, the same classifier on the features of the vision tower,
pretrained or random (mean over seeds): their mean over places, or all places (grid). `samples` are
training samples per task. {length}"""
    parts = ["# What pretraining on scenes is worth to X-rays", filled(about)]
    return "\n\n".join([*parts, _table(rows), _said(rows)]) + "\n"


def _table(rows: Sequence[Row]) -> str:
    head = ["domain", "task", "metric", "samples", "pretrained", "scratch", "gain", "pixels"]
    head += ["majority", *(f"probe: {name}" for name in PROBES), "steps"]
    lines = []
    for row in rows:
        value, interval = row.gain()
        lines.append(
            [
                row.domain,
                row.task,
                row.metric,
                str(row.samples),
                mean_and_spread(row.values("pretrained")),
                mean_and_spread(row.values("scratch")),
                written(value, interval),
                f"{row.pixels:.3f}",
                f"{row.majority:.3f}",
                *(f"{row.probes[name]:.3f}" for name in PROBES),
                f"{row.steps['pretrained']} / {row.steps['scratch']}",
            ]
        )
    return table(head, lines)


def _said(rows: Sequence[Row]) -> str:
    """Counts that the table holds, in words."""
    gains = [(row, *row.gain()) for row in rows]
    above = [row for row, _, interval in gains if interval and interval.low > 0]
    below = [row for row, _, interval in gains if interval and interval.high < 0]
    level = [row for row in rows if statistics.mean(row.values("pretrained")) >= row.pixels]
    learned = [row for row in level if row in above]
    found = [
        f"Of {len(rows)} rows, the interval of the gain over scratch is above zero in {len(above)}"
        f"{_named(above)}; below zero in {len(below)}{_named(below)}.",
        "The tuned pretrained backbone is at least level with raw pixels in "
        f"{len(level)} rows{_named(level)}.",
        f"Both hold in {len(learned)}{_named(learned)}.",
    ]
    return filled("\n".join(f"- {one}" for one in found))


def _named(rows: Sequence[Row]) -> str:
    return ": " + ", ".join(f"{row.task} at {row.samples}" for row in rows) if rows else ""
