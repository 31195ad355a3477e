"""How often others answered the item right."""

from __future__ import annotations

from transferlab.core.records import Prediction
from transferlab.evaluation.control import ControlTask, control
from transferlab.evaluation.learner_models import (
    history_of,
    item_means,
    known_answers,
    prediction,
    unfit_because,
)


@control("closed", learns=True, learners=True)
def item_mean(task: ControlTask) -> list[Prediction] | str:
    """The share of right answers to the item in training; of a new one, that of all items."""
    reason = unfit_because(task.train, task.test)
    if reason:
        return reason
    mean = item_means(known_answers(task.train))
    return [prediction(one, mean(history_of(one).item)) for one in task.test]
