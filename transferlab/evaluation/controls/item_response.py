"""A one-parameter item response model: the learner's ability less the item's difficulty."""

from __future__ import annotations

from transferlab.core.records import Prediction
from transferlab.evaluation.control import ControlTask, control
from transferlab.evaluation.learner_models import (
    fit_item_response,
    known_answers,
    logistic,
    prediction,
    unfit_because,
)


@control("closed", learns=True, learners=True)
def item_response(task: ControlTask) -> list[Prediction] | str:
    """Difficulties out of training; abilities out of what each learner answered earlier; an item
    that nobody answered in training is of mean difficulty."""
    reason = unfit_because(task.train, task.test)
    if reason:
        return reason
    model = fit_item_response(known_answers(task.train))
    return [prediction(one, logistic(model.logit(one))) for one in task.test]
