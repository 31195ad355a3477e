"""Which of its pictures every word of a batch may see, and what an encoder and a decoder read."""

from __future__ import annotations

import torch
from torch import Tensor

from transferlab.core.batch import IGNORE_INDEX, Batch


def image_span_mask(image: Tensor) -> Tensor:
    """(B, S) bool: the picture tokens without the first of each run, which only opens it."""
    return image & _shifted(image)


def image_run_mask(image: Tensor, tiles: Tensor) -> Tensor:
    """The cross-attention mask of words that see the last run of pictures before them.

    Args:
        image: (B, S) bool; one token per picture, as many in every row.
        tiles: (B, pictures, tiles) int64; 0 on tiles that are padding.

    Returns:
        (B, S, pictures, tiles) int64; 1 where a word sees a tile.
    """
    begun = image.cumsum(dim=1)
    run = (image & ~_shifted(image)).cumsum(dim=1)
    positions = image.nonzero()[:, 1].view(len(image), -1)
    run_of_picture = run.gather(1, positions)
    number = torch.arange(positions.shape[1], device=image.device)
    visible = (number < begun.unsqueeze(-1)) & (run_of_picture.unsqueeze(1) == run.unsqueeze(-1))
    return visible.unsqueeze(-1).long() * tiles.unsqueeze(1)


def last_image_mask(image: Tensor, pictures: int) -> Tensor:
    """(B, S, pictures) int64: 1 at the last picture before a word, or at its own token."""
    number = torch.arange(pictures, device=image.device)
    return (number == image.cumsum(dim=1).unsqueeze(-1) - 1).long()


def encoder_inputs(batch: Batch) -> dict[str, Tensor]:
    """The prompts without their answers, padded on the right.

    Encoders count positions from the first column.
    """
    supervised = batch.labels != IGNORE_INDEX
    supervised_before = supervised.cumsum(dim=1) - supervised.long()
    ids, mask = _to_the_left(
        batch.input_ids, (supervised_before == 0) & batch.attention_mask.bool(), fill=batch.pad_id
    )
    return {"input_ids": ids, "attention_mask": mask.long()}


def decoder_input_ids(batch: Batch, *, start_id: int) -> Tensor:
    """(B, longest answer) int64: a start token, then the answers without their last token."""
    labels, _ = _to_the_left(batch.labels, batch.labels != IGNORE_INDEX, fill=batch.pad_id)
    starts = labels.new_full((len(labels), 1), start_id)
    return torch.cat([starts, labels[:, :-1]], dim=1)


def _to_the_left(values: Tensor, where: Tensor, *, fill: int) -> tuple[Tensor, Tensor]:
    """Per row the values that ``where`` marks, in order, from the first column on; and a mask."""
    counts = where.sum(dim=1)
    order = (~where).long().argsort(dim=1, stable=True)[:, : int(counts.max())]
    mask = torch.arange(order.shape[1], device=values.device) < counts.unsqueeze(1)
    return values.gather(1, order).masked_fill(~mask, fill), mask


def _shifted(where: Tensor) -> Tensor:
    """One place to the right."""
    return torch.nn.functional.pad(where[:, :-1], (1, 0), value=False)
