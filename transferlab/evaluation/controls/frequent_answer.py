"""The most frequent training answer, written or ranked first."""

from __future__ import annotations

from collections import Counter

import numpy as np

from transferlab.core.records import Prediction
from transferlab.evaluation.control import ControlTask, control
from transferlab.metrics.retrieval import rank_of


@control("free", "ranked", learns=True)
def frequent_answer(task: ControlTask) -> list[Prediction]:
    """Free text: always the most frequent training answer. Retrieval: the candidates in the order
    of how often training gave them as answers."""
    counts = Counter(one.answer for one in task.train)
    if task.answers == "free":
        text = counts.most_common(1)[0][0]
        return [Prediction(sample=one, text=text) for one in task.test]
    often = np.array([counts[answer] for answer in task.candidates])
    position = {answer: at for at, answer in enumerate(task.candidates)}
    return [
        Prediction(
            sample=one,
            text=task.candidates[int(often.argmax())],
            rank=rank_of(often, position[one.answer]),
        )
        for one in task.test
    ]
