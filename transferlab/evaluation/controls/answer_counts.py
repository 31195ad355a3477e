"""Logistic regression on counts of right and wrong answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transferlab.core.records import Prediction, Sample
from transferlab.evaluation.control import ControlTask, control
from transferlab.evaluation.learner_models import (
    YES,
    history_of,
    item_means,
    prediction,
    unfit_because,
)

FOLDS = 5
"""At most, of the training samples: an item's share is that of the others."""


@control("closed", learns=True, learners=True)
def answer_counts(task: ControlTask) -> list[Prediction] | str:
    """Of all and of the latest earlier answers of the learner, and the item's mean, which each
    training sample gets out of others' answers (cross-fitting)."""
    reason = unfit_because(task.train, task.test)
    if reason:
        return reason
    right = np.array([one.answer == YES for one in task.train])
    folds = min(FOLDS, int(right.sum()), int((~right).sum()))
    if folds < 2:
        return "one of the answers occurs only once among the training samples"

    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    of_items = np.zeros(len(right))
    dealt = StratifiedKFold(folds, shuffle=True, random_state=task.seed)
    for others, held in dealt.split(right, right):
        means = item_means([_own(task.train[at]) for at in others])
        of_items[held] = [means(history_of(task.train[at]).item) for at in held]
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(np.column_stack([_counts(task.train), of_items]), right)
    means = item_means([_own(one) for one in task.train])
    asked = [means(history_of(one).item) for one in task.test]
    chances = model.predict_proba(np.column_stack([_counts(task.test), asked]))[:, 1]
    return [prediction(one, chance) for one, chance in zip(task.test, chances, strict=True)]


def _own(sample: Sample) -> tuple[str, str, bool]:
    """Learner, item and outcome of a sample's own answer."""
    history = history_of(sample)
    return history.learner, history.item, sample.answer == YES


def _counts(samples: Sequence[Sample]) -> np.ndarray:
    """(N, 4): log(1 + n) of right and wrong ones, of all and of the latest."""
    pasts = [history_of(one) for one in samples]
    latest = [sum(right for _, right in past.recent) for past in pasts]
    counts = [
        (past.past_right, past.past_answers - past.past_right, right, len(past.recent) - right)
        for past, right in zip(pasts, latest, strict=True)
    ]
    return np.log1p(np.array(counts, np.float64))
