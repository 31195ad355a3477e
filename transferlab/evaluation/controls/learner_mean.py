"""How often the learner was right before."""

from __future__ import annotations

from transferlab.core.records import Prediction
from transferlab.evaluation.control import ControlTask, control
from transferlab.evaluation.learner_models import (
    YES,
    history_of,
    prediction,
    smoothed_mean,
    unfit_because,
)


@control("closed", learns=True, learners=True)
def learner_mean(task: ControlTask) -> list[Prediction] | str:
    """The share of right ones among all that the learner answered earlier."""
    reason = unfit_because(task.train, task.test)
    if reason:
        return reason
    overall = sum(one.answer == YES for one in task.train) / len(task.train)
    return [
        prediction(one, smoothed_mean(past.past_right, past.past_answers, overall))
        for one in task.test
        for past in (history_of(one),)
    ]
