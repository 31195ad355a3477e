"""Which samples are used when a pipeline asks for fewer than there are."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Sequence

from transferlab.core.records import DomainData, Sample


def capped(samples: Sequence[Sample], limit: int | None, *, per_task: bool) -> tuple[Sample, ...]:
    """At most ``limit`` samples, of each task or in all, in their first order.

    The choice goes by a hash of the sample's id: it depends on neither order nor seed, so a larger
    limit always contains a smaller one and data-quantity curves are nested.
    """
    if limit is None:
        return tuple(samples)
    by_task: dict[str, list[Sample]] = {}
    for sample in samples:
        by_task.setdefault(sample.task if per_task else "", []).append(sample)
    chosen: set[str] = set()
    for members in by_task.values():
        ranked = sorted(members, key=lambda sample: hashlib.sha256(sample.id.encode()).digest())
        chosen.update(sample.id for sample in ranked[:limit])
    return tuple(sample for sample in samples if sample.id in chosen)


def only_tasks(data: DomainData, tasks: Collection[str] | None) -> DomainData:
    """``data`` with nothing but these of its tasks; None keeps it as it is.

    Its digest stays that of the whole domain: which tasks are used is a setting of the pipeline.
    """
    if tasks is None:
        return data
    return dataclasses.replace(
        data,
        primary_metrics={name: one for name, one in data.primary_metrics.items() if name in tasks},
        metrics={name: several for name, several in data.metrics.items() if name in tasks},
        questions={name: one for name, one in data.questions.items() if name in tasks},
        splits={
            split: tuple(sample for sample in samples if sample.task in tasks)
            for split, samples in data.splits.items()
        },
    )
