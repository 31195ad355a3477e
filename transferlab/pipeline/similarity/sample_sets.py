"""A domain's samples as what similarity measures compare."""

from __future__ import annotations

from collections.abc import Sequence

from transferlab.core.protocols import Backbone
from transferlab.core.records import Sample
from transferlab.metrics.similarity import SampleSet


def sample_set(backbone: Backbone, samples: Sequence[Sample], *, batch_samples: int) -> SampleSet:
    """Features of the backbone as it is now, prompts, groups, tasks and closed answers."""
    return SampleSet(
        features=backbone.features(samples, batch_samples=batch_samples),
        texts=[sample.full_prompt for sample in samples],
        groups=[sample.group for sample in samples],
        labels=[f"{one.task}: {one.answer}" if one.closed else "" for one in samples],
        tasks=[sample.task for sample in samples],
    )
