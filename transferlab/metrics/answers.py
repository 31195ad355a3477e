"""What a task's answers are worth: the metrics that domain.yaml may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from transferlab.core.records import AnswerRank, Prediction, TaskKind, TaskScore
from transferlab.core.registry import Registry, RegistryView, did_you_mean
from transferlab.metrics.retrieval import mean_rank, recall_at, reciprocal_rank, weighted_median
from transferlab.metrics.text import exact_match, token_f1

Answers = Literal["closed", "free", "ranked"]
"""What a metric looks at: choices, written text, or the place of an answer among all of them."""
ANSWERS: Mapping[TaskKind, Answers] = {
    "classify": "closed",
    "answer": "free",
    "describe": "free",
    "retrieve": "ranked",
}
IN_WORDS: Mapping[Answers, str] = {
    "closed": "a closed label set",
    "free": "free text",
    "ranked": "the rank of an answer among all of them",
}


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """What N samples of one task came to, as numbers: all that its metric needs, and no text."""

    values: np.ndarray
    """(N,) float64: correct or not, or the score that the metric averages, in [0, 1]; ranks, from
    1, for their median."""
    labels: np.ndarray
    """(N,) int64 positions in the sorted label set; (0,) for free text."""
    predicted: np.ndarray
    """(N,) int64 likewise."""
    margins: np.ndarray
    """(N,) float64 log-likelihood of label 1 minus that of label 0; (0,) unless two labels."""
    statistics: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    """(N, K) float64, what the metric itself notes of each sample; (0, 0) of most."""

    @classmethod
    def of(cls, score: TaskScore) -> Outcomes:
        """The outcomes behind a score."""
        return cls(
            values=np.asarray(score.sample_values, np.float64),
            labels=np.asarray(score.labels, np.int64),
            predicted=np.asarray(score.predicted, np.int64),
            margins=np.asarray(score.margins, np.float64),
            statistics=np.asarray([*score.statistics], np.float64),
        )


Pooled = Callable[[Outcomes, np.ndarray], np.ndarray]
"""A metric over outcomes of N samples under (B, N) weights >= 0: (B,), NaN where undefined.

Weights are how often a sample counts, so that leaving out every group in turn is one matrix product
and not a loop.
"""


def mean_value(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    """Weighted mean of the per-sample values; NaN where all weights are zero."""
    return _ratio(weights @ outcomes.values, weights.sum(axis=1))


def balanced_accuracy(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    """Mean recall over the labels that occur among the answers."""
    right, answered, _ = _label_counts(outcomes, weights)
    return _mean_of_defined(_ratio(right, answered))


def macro_f1(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    """Mean F1 over the labels that occur among the answers or the predictions."""
    right, answered, predicted = _label_counts(outcomes, weights)
    return _mean_of_defined(_ratio(2 * right, answered + predicted))


def auroc(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    """Probability that a sample of label 1 has a higher margin than one of label 0; ties half.

    The value is the same whichever of the two labels is called positive. NaN where one of them
    does not occur.
    """
    order = np.argsort(outcomes.margins, kind="stable")
    margins, positive = outcomes.margins[order], outcomes.labels[order] == 1
    # Equal margins form one step of the ROC curve; each step starts where the margin changes.
    starts = np.flatnonzero(np.r_[True, np.diff(margins) > 0])
    ordered = weights[:, order]
    gained = np.add.reduceat(ordered * positive, starts, axis=1)
    lost = np.add.reduceat(ordered * ~positive, starts, axis=1)
    below = np.cumsum(lost, axis=1) - lost
    wins = (gained * (below + lost / 2)).sum(axis=1)
    return _ratio(wins, gained.sum(axis=1) * lost.sum(axis=1))


def median_value(outcomes: Outcomes, weights: np.ndarray) -> np.ndarray:
    """Weighted median of the per-sample values; NaN where all weights are zero."""
    return weighted_median(outcomes.values, weights)


def _label_counts(
    outcomes: Outcomes, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(B, C) weighted counts: right, answered with the label, predicted as the label."""
    present = np.unique(np.concatenate([outcomes.labels, outcomes.predicted]))
    answered = (outcomes.labels[:, None] == present).astype(np.float64)
    predicted = (outcomes.predicted[:, None] == present).astype(np.float64)
    return weights @ (answered * predicted), weights @ answered, weights @ predicted


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(
        above, below, out=np.full_like(above, np.nan, dtype=np.float64), where=below > 0
    )


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    defined = ~np.isnan(values)
    return _ratio(
        np.where(defined, values, 0.0).sum(axis=1), defined.sum(axis=1).astype(np.float64)
    )


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric and the facts by which a domain is checked."""

    of: Answers
    pooled: Pooled
    sample_value: Callable[[Prediction], float] = lambda prediction: 0.0
    """What a sample counts, in [0, 1] for all metrics that may be primary."""
    statistics: Callable[[Sequence[Prediction]], np.ndarray] | None = None
    """For a metric that is no mean over samples and needs more than labels (counts of n-grams,
    confidences): of all N answers to a task at once, (N, K) numbers, which ``pooled`` finds in the
    outcomes. They are written into checkpoints, so they may hold no text."""
    two_labels: bool = False
    """Defined for exactly two labels, both of which occur among the answers."""
    primary: bool = True
    """Whether scores may be made of it: it lies in [0, 1], and higher is better."""

    @property
    def additive(self) -> bool:
        """Whether the metric is the mean of its per-sample values."""
        return self.pooled is mean_value


def correct(prediction: Prediction) -> float:
    """1.0 for the very choice, else 0.0; choices are compared as they are written."""
    return float(prediction.text == prediction.sample.answer)


def _of_text(value: Callable[[str, str], float]) -> Callable[[Prediction], float]:
    return lambda prediction: value(prediction.text, prediction.sample.answer)


def _of_rank(value: Callable[[AnswerRank], float]) -> Callable[[Prediction], float]:
    def found(prediction: Prediction) -> float:
        assert prediction.rank is not None, "retrieval says where the answer came in"
        return value(prediction.rank)

    return found


_OWN: Mapping[str, Metric] = {
    "accuracy": Metric(of="closed", sample_value=correct, pooled=mean_value),
    "balanced_accuracy": Metric(of="closed", sample_value=correct, pooled=balanced_accuracy),
    "macro_f1": Metric(of="closed", sample_value=correct, pooled=macro_f1),
    "auroc": Metric(of="closed", sample_value=correct, pooled=auroc, two_labels=True),
    "exact_match": Metric(of="free", sample_value=_of_text(exact_match), pooled=mean_value),
    "token_f1": Metric(of="free", sample_value=_of_text(token_f1), pooled=mean_value),
    **{
        f"recall_at_{k}": Metric(
            of="ranked", sample_value=_of_rank(recall_at(k)), pooled=mean_value
        )
        for k in (1, 5, 10)
    },
    "mrr": Metric(of="ranked", sample_value=_of_rank(reciprocal_rank), pooled=mean_value),
    "median_rank": Metric(
        of="ranked", sample_value=_of_rank(mean_rank), pooled=median_value, primary=False
    ),
}

METRICS: Mapping[str, Metric] = RegistryView(
    _OWN, Registry("metric", {}, group="transferlab.metrics"), lambda entry: entry
)
"""By the names that domain.yaml uses. A third party's is a ``Metric``, named by an entry point of
the group ``transferlab.metrics`` or by its dotted path."""


def check_metrics(task_kind: TaskKind, names: Sequence[str]) -> list[str]:
    """What is wrong with the metrics of a task, one sentence each; empty when they are sound."""
    answers = ANSWERS[task_kind]
    fitting = [name for name, metric in METRICS.items() if metric.of == answers]
    problems = []
    for index, name in enumerate(names):
        if name not in METRICS:
            problems.append(
                f"unknown metric '{name}'.{did_you_mean(name, list(METRICS))} "
                f"A {task_kind} task takes: {', '.join(fitting)}."
            )
        elif name not in fitting:
            problems.append(
                f"'{name}' is for {IN_WORDS[METRICS[name].of]}, which a {task_kind} task does not "
                f"have; use one of: {', '.join(fitting)}."
            )
        elif index == 0 and not METRICS[name].primary:
            problems.append(
                f"'{name}' cannot be the first, of which scores are made: it is no share, and less "
                "is better; put another one before it."
            )
        if name in names[:index]:
            problems.append(f"'{name}' is listed twice; keep one.")
    return problems


def undefined_because(name: str, outcomes: Outcomes) -> str | None:
    """Why a metric has no value on these outcomes; None when it has one.

    Raises:
        KeyError: ``name`` is no metric.
    """
    metric = METRICS[name]
    if not len(outcomes.values):
        return "there are no samples"
    if metric.of == "closed" and len(outcomes.labels) != len(outcomes.values):
        return "some samples have no choices"
    if metric.two_labels and len(outcomes.margins) != len(outcomes.values):
        return "the task does not have exactly two labels"
    if metric.two_labels and len(np.unique(outcomes.labels)) < 2:
        return "only one of the two labels occurs among the answers"
    return None


def measure(name: str, outcomes: Outcomes) -> float:
    """The metric's value, in [0, 1] where it may be primary.

    Raises:
        KeyError: ``name`` is no metric.
        ValueError: the metric is undefined on these outcomes; the message says why.
    """
    reason = undefined_because(name, outcomes)
    if reason:
        raise ValueError(f"{name} is undefined: {reason}")
    return float(METRICS[name].pooled(outcomes, np.ones((1, len(outcomes.values))))[0])
