"""From answers to scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transferlab.config.pipeline import EvaluationSection
from transferlab.core.protocols import Backbone
from transferlab.core.records import (
    DomainData,
    DomainScore,
    Prediction,
    Sample,
    SplitName,
    TaskScore,
)
from transferlab.errors import DataError
from transferlab.evaluation.prediction import candidates_of, predict, select_samples
from transferlab.metrics.answers import METRICS, Outcomes, measure, undefined_because


def score_domain(
    backbone: Backbone,
    data: DomainData,
    section: EvaluationSection,
    *,
    split: SplitName = "test",
) -> DomainScore:
    """Score a split of a domain, task by task.

    Args:
        backbone: answers; closed samples by likelihood, free ones by generation; those of kind
            retrieve by comparison with all answers of the split.
        data: the domain.
        section: limits and batch sizes.
        split: "validation" for choosing anything, "test" for reporting.

    Returns:
        The mean of the tasks' primary metrics, with what intervals need.

    Raises:
        DataError: a task has no samples in the split, nothing to find among, or a metric that is
            undefined on them.
        ModelError: the backbone does not answer what it was asked.
    """
    samples = evaluated_samples(data, section, split=split)
    candidates = candidates_of(data, split)
    predictions = predict(backbone, samples, section, candidates=candidates)
    tasks = {
        task: score_task(
            [one for one in predictions if one.sample.task == task],
            metrics=metrics_of(data, task),
            where=f"task '{task}' of '{data.name}'",
        )
        for task in data.tasks
    }
    named = ", ".join(f"{score.metric} ({task})" for task, score in tasks.items())
    return DomainScore(
        domain=data.name,
        value=sum(score.value for score in tasks.values()) / len(tasks),
        metric=named if len(tasks) == 1 else f"mean of {named}",
        tasks=tasks,
    )


def evaluated_samples(
    data: DomainData, section: EvaluationSection, *, split: SplitName = "test"
) -> tuple[Sample, ...]:
    """The samples that ``score_domain`` scores.

    Raises:
        DataError: a task has no samples in the split.
    """
    samples = select_samples(data.splits[split], limit=section.max_test_samples)
    for task in data.tasks:
        if not any(sample.task == task for sample in samples):
            raise DataError(
                f"task '{task}' of '{data.name}' has no samples in its {split} split; "
                "give that split more groups or remove the task from domain.yaml"
            )
    return samples


def metrics_of(data: DomainData, task: str) -> tuple[str, ...]:
    """The task's metrics, the primary one first."""
    return data.metrics.get(task) or (data.primary_metrics[task],)


def score_task(
    predictions: Sequence[Prediction], *, metrics: Sequence[str], where: str
) -> TaskScore:
    """Score the answers to one task.

    Args:
        predictions: of one task, at least one.
        metrics: names of ``METRICS``; the first is the primary one.
        where: names the task in messages, e.g. "task 'finding' of 'chest-xray'".

    Raises:
        DataError: a metric is undefined on these samples.
    """
    primary, first = metrics[0], predictions[0].sample
    outcomes = {name: outcomes_of(predictions, metric=name) for name in metrics}
    for name in metrics:
        reason = undefined_because(name, outcomes[name])
        if reason:
            raise DataError(
                f"{where}: {name} is undefined, because {reason}; choose another metric in "
                "domain.yaml, or raise evaluation.max_test_samples if that cuts the split"
            )
    values = {name: measure(name, outcomes[name]) for name in metrics}
    kept = outcomes[primary]
    return TaskScore(
        task=first.task,
        kind=first.kind,
        metric=primary,
        value=values[primary],
        metrics=values,
        samples=len(predictions),
        groups=[one.sample.group for one in predictions],
        sample_values=kept.values.tolist(),
        labels=kept.labels.tolist(),
        predicted=kept.predicted.tolist(),
        margins=kept.margins.tolist(),
        statistics=kept.statistics.tolist(),
    )


def outcomes_of(predictions: Sequence[Prediction], *, metric: str) -> Outcomes:
    """What ``metric`` needs to know of the answers to one task."""
    definition = METRICS[metric]
    values = [definition.sample_value(one) for one in predictions]
    noted = np.zeros((0, 0))
    if definition.statistics is not None:
        noted = np.asarray(definition.statistics(predictions), np.float64)
    known = sorted({choice for one in predictions for choice in one.sample.choices})
    position = {label: index for index, label in enumerate(known)}
    closed = all(one.sample.closed for one in predictions)
    answered = [position[one.sample.answer] for one in predictions] if closed else []
    predicted = [position[one.text] for one in predictions] if closed else []
    binary = closed and len(known) == 2
    margins = [_margin(one, known) for one in predictions] if binary else []
    return Outcomes(
        values=np.array(values, np.float64),
        labels=np.array(answered, np.int64),
        predicted=np.array(predicted, np.int64),
        margins=np.array(margins, np.float64),
        statistics=noted,
    )


def _margin(prediction: Prediction, labels: Sequence[str]) -> float:
    likelihood = dict(zip(prediction.sample.choices, prediction.log_likelihoods, strict=True))
    # An option that this sample does not offer has no likelihood; the offered one is certain.
    offered = [likelihood.get(label, -np.inf) for label in labels]
    return float(np.clip(offered[1] - offered[0], -1e9, 1e9))
