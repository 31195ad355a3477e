"""The answer of a training sample that has nothing to do with the question."""

from __future__ import annotations

import numpy as np

from transferlab.core.records import Prediction
from transferlab.evaluation.control import ControlTask, control


@control("free", learns=True)
def copied_answer(task: ControlTask) -> list[Prediction]:
    """The answer of a random training sample, drawn anew for each test sample."""
    answers = [sample.answer for sample in task.train]
    drawn = np.random.default_rng(task.seed).integers(len(answers), size=len(task.test))
    return [
        Prediction(sample=one, text=answers[at]) for one, at in zip(task.test, drawn, strict=True)
    ]
