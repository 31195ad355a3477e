"""Remembered samples by their ids: what is written down of a dataset, and how much that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from transferlab.continual.components.gradients import batches_over

if TYPE_CHECKING:
    from transferlab.continual.avalanche_api import AvalancheDataset
    from transferlab.continual.components.trainer_view import TrainerView


def ids_of(dataset: AvalancheDataset) -> list[tuple[str, int]]:
    """The id and experience of each item of a dataset; nothing is decoded."""
    items = [dataset[position] for position in range(len(dataset))]
    return [(item[0].id, int(item[-1])) for item in items]


def answer_tokens(trainer: TrainerView, dataset: AvalancheDataset) -> dict[str, int]:
    """By sample id; each sample is put through the processor once."""
    found: dict[str, int] = {}
    for batch in batches_over(trainer, dataset):
        rows = batch.answer_positions()[0]
        counts = rows.bincount(minlength=len(batch)).tolist()
        found.update(zip(batch.sample_ids, counts, strict=True))
    return found


def id_bytes(remembered: Sequence[tuple[str, int]]) -> int:
    return sum(len(sample_id.encode("utf-8")) + 8 for sample_id, _ in remembered)
