"""Scores of one domain by the attributes of its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from transferlab.core.records import DomainScore, Sample
from transferlab.metrics.subgroups import Subgroups, score_by_value


def score_subgroups(
    score: DomainScore, samples: Sequence[Sample], *, confidence: float
) -> dict[str, dict[str, Subgroups]]:
    """Every task by every attribute that its samples have.

    Args:
        score: of the domain.
        samples: those that were scored, as ``scoring.evaluated_samples`` gives them.
        confidence: of the intervals, in (0, 1).

    Returns:
        By task and attribute; empty for a task whose samples have none.

    Raises:
        ValueError: the score is of other samples.
    """
    found: dict[str, dict[str, Subgroups]] = {}
    for task, scored in score.tasks.items():
        asked = [sample for sample in samples if sample.task == task]
        if [sample.group for sample in asked] != list(scored.groups):
            raise ValueError(f"task '{task}' of '{score.domain}' was scored on other samples")
        found[task] = {
            name: score_by_value(score, task, values, confidence=confidence)
            for name, values in _by_attribute(asked).items()
        }
    return found


def _by_attribute(samples: Sequence[Sample]) -> Mapping[str, list[str]]:
    """By attribute, its value of each sample; "" where a sample has none."""
    names = sorted({name for sample in samples for name in sample.attributes})
    return {name: [sample.attributes.get(name, "") for sample in samples] for name in names}
