"""The most frequent training answer."""

from __future__ import annotations

from collections import Counter

from transferlab.core.records import Prediction
from transferlab.evaluation.control import ControlTask, control


@control("closed", learns=True)
def majority(task: ControlTask) -> list[Prediction]:
    """Always the most frequent training answer among the sample's choices.

    Choices that the training answers never name count zero; the first of equals is taken.
    """
    counts = Counter(one.answer for one in task.train)
    return [
        Prediction(
            sample=sample,
            text=max(sample.choices, key=lambda choice: counts[choice]),
            log_likelihoods=(0.0,) * len(sample.choices),
        )
        for sample in task.test
    ]
