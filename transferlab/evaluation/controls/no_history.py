"""The same model, asked the same question as of somebody of whom nothing is known."""

from __future__ import annotations

from transferlab.core.records import Prediction
from transferlab.evaluation.control import ControlTask, control
from transferlab.evaluation.prediction import predict


@control("closed", "ranked", learners=True)
def no_history(task: ControlTask) -> list[Prediction] | str:
    """What the item alone gives away to the model."""
    blank = [sample.without_learner_history() for sample in task.test]
    if all(one.prompt == sample.prompt for one, sample in zip(blank, task.test, strict=True)):
        return "no prompt of the task shows a history"
    candidates = {blank[0].task: task.candidates} if task.candidates else {}
    return predict(task.backbone, blank, task.section, candidates=candidates)
