"""Samples as Avalanche sees them: datasets whose items carry a sample, a class and a task label."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from transferlab.continual.avalanche_api import (
    DataAttribute,
    DatasetExperience,
    TaskAwareSupervisedClassificationDataset,
    TaskLabels,
)
from transferlab.core.batch import Batch
from transferlab.core.protocols import Backbone
from transferlab.core.records import Sample

Item = tuple[Sample, int, int]
"""A sample, its class and the experience it came with."""


class Classes:
    """Numbers for the classes of everything seen, in order of appearance.

    A label of a classify task is a class; every other task is one class of its own. Storage
    policies that balance classes read these numbers.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._numbers = {key: number for number, key in enumerate(keys)}

    def number(self, sample: Sample) -> int:
        label = sample.answer if sample.kind == "classify" else ""
        parts = f"{sample.domain}\0{sample.task}\0{label}"
        # A digest, because the keys go into checkpoints and an answer may not.
        key = hashlib.sha256(parts.encode("utf-8")).hexdigest()[:16]
        return self._numbers.setdefault(key, len(self._numbers))

    def keys(self) -> list[str]:
        return list(self._numbers)


class Collate:
    """Turns items into Avalanche's mini-batch ``[x, y, t]``."""

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone

    def __call__(self, items: Sequence[Sequence[Any]]) -> tuple[Batch, Tensor, Tensor]:
        """The batch, its supervised tokens, (n_supervised,) int64, and task labels, (B,) int64."""
        batch, targets = self._backbone.collate([item[0] for item in items])
        return batch, targets, torch.tensor([int(item[-1]) for item in items])


class _Rows(torch.utils.data.Dataset):
    """(sample, class) pairs; a sample refers to its media, so this stays small."""

    def __init__(self, samples: Sequence[Sample], targets: Sequence[int]) -> None:
        self._rows = list(zip(samples, targets, strict=True))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Sample, int]:
        return self._rows[index]


def make_dataset(
    samples: Sequence[Sample],
    *,
    tasks: Sequence[int],
    classes: Classes,
    collate: Collate,
) -> TaskAwareSupervisedClassificationDataset:
    """A dataset with ``targets`` and ``targets_task_labels``, as storage policies expect them.

    Args:
        samples: what the items are made of.
        tasks: per sample, the index of the experience it came with.
        classes: numbers the samples' classes.
        collate: makes mini-batches of the items.
    """
    targets = [classes.number(sample) for sample in samples]
    return TaskAwareSupervisedClassificationDataset(
        [_Rows(samples, targets)],
        data_attributes=[DataAttribute(targets, "targets"), TaskLabels(list(tasks))],
        collate_fn=collate,
    )


class DomainExperience(DatasetExperience):
    """One step of the stream: a domain's training samples."""

    def __init__(
        self, *, dataset: TaskAwareSupervisedClassificationDataset, index: int, domain: str
    ) -> None:
        super().__init__(dataset=dataset, current_experience=index)
        self.domain = domain
        self.task_labels = [index]


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """What one domain's training is told beside the pipeline's ``train`` section."""

    domain: str
    epochs: int
    """0 runs every hook and trains nothing."""
    max_steps: int | None
    learning_rate: float
