"""From answers to scores."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from transferlab.config.pipeline import EvaluationSection, LikelihoodRule
from transferlab.core.protocols import Backbone
from transferlab.core.records import (
    DomainData,
    DomainScore,
    Prediction,
    Sample,
    SplitName,
    TaskScore,
)
from transferlab.errors import DataError, TransferlabWarning
from transferlab.evaluation.likelihood import (
    MAX_VALIDATION,
    Baselines,
    RuleChoice,
    answers_by,
    choose_ranked_rule,
    compare_rules,
    fewest_tokens_share,
)
from transferlab.evaluation.prediction import candidates_of, predict, rank_answers, select_samples
from transferlab.metrics.answers import METRICS, Outcomes, measure, undefined_because
from transferlab.metrics.calibration import calibration


def score_domain(
    backbone: Backbone,
    data: DomainData,
    section: EvaluationSection,
    *,
    trained: bool,
    split: SplitName = "test",
) -> DomainScore:
    """Score a split of a domain, task by task.

    Args:
        backbone: answers; closed samples by likelihood, free ones by generation; those of kind
            retrieve by comparison with all answers of the split.
        data: the domain.
        section: limits and batch sizes.
        trained: whether the model was trained on the domain; see ``likelihood.choose_rule``.
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
    rules = RuleScorer(backbone, data, section, trained=trained)
    tasks = {}
    for task in data.tasks:
        answers = [one for one in predictions if one.sample.task == task]
        metrics, where = metrics_of(data, task), f"task '{task}' of '{data.name}'"
        if answers[0].sample.closed:
            tasks[task] = rules.score(answers, metrics=metrics, where=where)
        elif task in candidates:
            tasks[task] = rules.score_ranked(
                answers, candidates[task], metrics=metrics, where=where
            )
        else:
            tasks[task] = score_task(answers, metrics=metrics, where=where)
    named = ", ".join(f"{_metric_of(score)} ({task})" for task, score in tasks.items())
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


def calibration_samples(
    data: DomainData, section: EvaluationSection, *, trained: bool
) -> tuple[Sample, ...]:
    """The validation samples of closed tasks that rules are chosen on; empty where none is.

    A limit on test samples is one on these too: whoever sets it has little time.
    """
    needed = section.likelihood == "standardised" or (section.likelihood == "auto" and not trained)
    closed = [sample for sample in data.splits["validation"] if sample.closed] if needed else []
    return select_samples(
        closed, limit=min(MAX_VALIDATION, section.max_test_samples or MAX_VALIDATION)
    )


class RuleScorer:
    """Scores closed tasks of one model and domain by every rule of ``evaluation.likelihood``."""

    def __init__(
        self, backbone: Backbone, data: DomainData, section: EvaluationSection, *, trained: bool
    ) -> None:
        self._section, self._trained = section, trained
        self._baselines: Baselines | None = None
        self._validation: list[Prediction] = []
        # After training the sum is taken: what costs further passes is left out there.
        if backbone.writes and (section.likelihood != "auto" or not trained):
            self._baselines = Baselines(backbone, batch_samples=section.batch_samples)
            chosen_on = calibration_samples(data, section, trained=trained)
            self._validation = predict(backbone, chosen_on, section)

    def score(
        self, predictions: Sequence[Prediction], *, metrics: Sequence[str], where: str
    ) -> TaskScore:
        """As ``score_task``, by the rule that ``choose_rule`` takes; ``likelihood`` says which."""
        task = predictions[0].sample.task
        validation = [one for one in self._validation if one.sample.task == task]
        rules, chosen = compare_rules(
            self._section,
            predictions,
            validation,
            baselines=self._baselines,
            trained=self._trained,
        )
        by_rule = {
            name: predictions if name == "sum" else answers_by(predictions, scores)
            for name, scores in rules.items()
        }
        return self._scored(by_rule, chosen, metrics=metrics, where=where)

    def score_ranked(
        self,
        predictions: Sequence[Prediction],
        candidates: Sequence[str],
        *,
        metrics: Sequence[str],
        where: str,
    ) -> TaskScore:
        """Retrieval: by ``sum``, or, for a backbone that writes and was not trained on the task, by
        ``content_free``; a candidate's likelihood falls with its length as a choice's does."""
        by_rule: dict[LikelihoodRule, Sequence[Prediction]] = {"sum": predictions}
        if self._baselines is not None:
            samples = [one.sample for one in predictions]
            sums = np.array([one.log_likelihoods for one in predictions])
            base = self._baselines.of_candidates(samples[0], candidates)
            by_rule["content_free"] = rank_answers(samples, candidates, sums - base)
        chosen = choose_ranked_rule(self._section, list(by_rule), trained=self._trained)
        return self._scored(by_rule, chosen, metrics=metrics, where=where)

    def _scored(
        self,
        by_rule: Mapping[LikelihoodRule, Sequence[Prediction]],
        chosen: RuleChoice,
        *,
        metrics: Sequence[str],
        where: str,
    ) -> TaskScore:
        """The score by the chosen rule, with what all rules make of the likelihoods."""
        if self._section.likelihood not in ("auto", chosen.rule):
            text = f"{where}: evaluation.likelihood: {chosen.reason}; the sum is taken"
            warnings.warn(text, TransferlabWarning, stacklevel=2)
        score = score_task(by_rule[chosen.rule], metrics=metrics, where=where)
        likelihood = {
            "rule": chosen.rule,
            "reason": chosen.reason,
            "validation_samples": chosen.samples,
            "cross_entropy": dict(chosen.cross_entropy),
            "values": {
                name: measure(metrics[0], outcomes_of(some, metric=metrics[0]))
                for name, some in by_rule.items()
            },
            "fewest_tokens": fewest_tokens_share(by_rule[chosen.rule]),
        }
        return replace(score, likelihood=likelihood, calibration=_calibration(by_rule["sum"]))


def _calibration(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Of closed samples with their summed log-likelihoods; empty for ranked ones."""
    if not predictions[0].sample.closed:
        return {}
    right = [one.sample.choices.index(one.sample.answer) for one in predictions]
    return calibration([one.log_likelihoods for one in predictions], right)


def _metric_of(score: TaskScore) -> str:
    """The metric's name, with the rule by which choices are answered where that is not the sum."""
    rule = score.likelihood.get("rule", "sum")
    return score.metric if rule == "sum" else f"{score.metric} [{rule}]"


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
    outcome = outcomes[primary]
    return TaskScore(
        task=first.task,
        kind=first.kind,
        metric=primary,
        value=values[primary],
        metrics=values,
        samples=len(predictions),
        groups=[one.sample.group for one in predictions],
        sample_values=outcome.values.tolist(),
        labels=outcome.labels.tolist(),
        predicted=outcome.predicted.tolist(),
        margins=outcome.margins.tolist(),
        statistics=outcome.statistics.tolist(),
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
