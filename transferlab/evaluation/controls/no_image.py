"""The same model, asked the same question without its media."""

from __future__ import annotations

from transferlab.core.records import Prediction
from transferlab.evaluation.control import ControlTask, control
from transferlab.evaluation.prediction import predict


@control("closed", "ranked")
def no_image(task: ControlTask) -> list[Prediction] | str:
    """What the words of the question alone give away to the model."""
    if not any(sample.media for sample in task.test):
        return "the task's samples have no media"
    unseen = [sample.without_media() for sample in task.test]
    candidates = {unseen[0].task: task.candidates} if task.candidates else {}
    return predict(task.backbone, unseen, task.section, candidates=candidates)
