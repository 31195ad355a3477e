"""The candidates in any order."""

from __future__ import annotations

from transferlab.core.records import Prediction
from transferlab.evaluation.control import ControlTask, control
from transferlab.metrics import retrieval


@control("ranked")
def chance(task: ControlTask) -> list[Prediction]:
    """What finding an answer comes to where nothing tells the candidates apart."""
    rank = retrieval.chance(len(task.candidates))
    return [Prediction(sample=one, text=task.candidates[0], rank=rank) for one in task.test]
