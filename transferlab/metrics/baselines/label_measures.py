"""How well one domain's features tell its labels, each measure beside what shuffled labels give.

These are not distances: the source is not in them but for what the backbone learned from it. They
say how much of the target's task an unadapted backbone's features hold already, by which the field
chooses what to start from. They are files of ``metrics/similarities`` too, chosen with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from transferlab.metrics.baselines.matched_groups import MIN_SAMPLES
from transferlab.metrics.pool import (
    FEATURE_KINDS,
    SIMILARITIES,
    MeasureFacts,
    facts_of,
    principal_components,
)
from transferlab.metrics.similarity import SampleSet, Similarity, against_baseline, units_of

LabelMeasure = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(n, D) float64 features of one task's samples, which vary, and (P, n) int64 labels in [0, K),
K >= 2, each row a shuffle of the first, to (P,) float64; higher: the features tell more."""


def label_measure(
    *, pools: tuple[str, ...] = FEATURE_KINDS
) -> Callable[[LabelMeasure], LabelMeasure]:
    """Say that a measure is of the target's features and labels, and for which features."""

    def noted(measure: LabelMeasure) -> LabelMeasure:
        measure.facts = MeasureFacts(pools=pools, labels=True, of="target")  # type: ignore[attr-defined]
        return measure

    return noted


def measure_labels(
    target: SampleSet, *, seed: int, permutations: int, measures: Sequence[str] | None = None
) -> list[Similarity]:
    """Every measure of the target alone, on every kind of features.

    Taken per task, on one sample of each group, and averaged by samples: tasks are told apart by
    their prompts, which no label is. The baseline shuffles the labels; shuffling those of single
    samples would break up groups, whose samples and labels are alike, and call any set well told.

    A kind has no entry where no task has ``MIN_SAMPLES`` groups with two labels among them and
    features that vary: a task's text features do not, where all its prompts are the same.

    Args:
        target: with labels and their tasks, or there is no entry.
        seed: of the samples that stand for their groups, and of the shuffles.
        permutations: shuffles per measure, >= 1.
        measures: as for ``compare``; those of two domains are passed over.

    Returns:
        Entries of no source samples; ``p_value`` is small where the features tell the labels.

    Raises:
        ValueError: ``permutations`` < 1, or there is not one label, task or group per sample.
        UnknownName: there is no such measure.
    """
    if permutations < 1:
        raise ValueError(f"a baseline needs at least 1 permutation, got {permutations}")
    target.check("target")
    names = SIMILARITIES.names() if measures is None else measures
    chosen = {name: SIMILARITIES.get(name) for name in names}
    chosen = {name: one for name, one in chosen.items() if facts_of(one).of == "target"}
    found: list[Similarity] = []
    if not chosen or not any(target.labels):
        return found
    if not target.tasks:
        raise ValueError("labels were given without the names of their tasks")
    for kind in FEATURE_KINDS:
        rows = np.asarray(getattr(target.features, kind), np.float64)
        tasks = list(_tasks(target, rows, seed=seed, permutations=permutations))
        samples = sum(len(of_task) for of_task, _ in tasks)
        for name, measure in chosen.items():
            if tasks and kind in facts_of(measure).pools:
                values = sum(
                    len(of_task) / samples * measure(of_task, labels) for of_task, labels in tasks
                )
                found.append(against_baseline(name, kind, np.asarray(values), (0, samples)))
    return found


def _tasks(
    target: SampleSet, rows: np.ndarray, *, seed: int, permutations: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(n, D) features of each task, and (1 + permutations, n) labels: the real ones, then shuffled.

    A row of zeros is a sample without media.
    """
    labels, tasks = np.asarray(target.labels), np.asarray(target.tasks)
    units, unit = np.unique(units_of("target", target), return_inverse=True)
    rng = np.random.default_rng(seed)
    keys = rng.random((permutations, len(units)))
    order = rng.permutation(len(rows))
    usable = (labels != "") & np.any(rows != 0, axis=1)
    for task in np.unique(tasks[usable]):
        inside = order[(usable & (tasks == task))[order]]
        present, first = np.unique(unit[inside], return_index=True)
        kept = inside[first]
        names, codes = np.unique(labels[kept], return_inverse=True)
        if len(kept) < MIN_SAMPLES or len(names) < 2:
            continue
        if not principal_components(rows[kept]).shape[1]:
            continue
        # Tasks that ask the same groups are shuffled alike, since their labels may go together.
        shuffles = np.argsort(keys[:, present], axis=1)
        yield rows[kept], np.stack([codes, *codes[shuffles]])
