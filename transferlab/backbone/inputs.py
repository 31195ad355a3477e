"""From a batch to what a model's own ``forward`` takes: media shaped its way, and token types."""

from __future__ import annotations

import inspect
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from transferlab.backbone.families import Family, family_of
from transferlab.core.batch import Batch


@dataclass(frozen=True, kw_only=True)
class ModelInputs:
    """Makes the arguments of one model from any of its batches.

    What can be told from the token ids and from the number of pictures is not carried in batches:
    slices and joined batches would have to keep it right. It is made here, for those models whose
    ``forward`` has a parameter of that name.
    """

    family: Family
    grouped_media: bool
    """The model wants its pictures as (batch, pictures, ...)."""
    image_id: int
    """The token at the places of which the model reads a picture."""
    parameters: frozenset[str]
    """The names that the model's ``forward`` takes."""
    blank: Tensor | None
    """(1, 3, H, W): a picture for a batch without any, where ``forward`` insists on one. No image
    token points at it, so it is never read."""

    @classmethod
    def of(cls, model: nn.Module, *, grouped_media: bool, image_id: int) -> ModelInputs:
        """``model``: without an adapter."""
        return cls(
            family=family_of(model.config),
            blank=_blank_picture(model),
            grouped_media=grouped_media,
            image_id=image_id,
            parameters=frozenset(inspect.signature(model.forward).parameters),
        )

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Token ids, mask, token types where the model has them, and media."""
        made = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        image = batch.input_ids == self.image_id
        if "mm_token_type_ids" in self.parameters:
            made["mm_token_type_ids"] = image.long()
        if "token_type_ids" in self.parameters:
            types = _answer_positions(batch) if self.family.answer_types else image
            made["token_type_ids"] = types.long()
        return made | self._media(batch)

    def _media(self, batch: Batch) -> dict[str, Tensor]:
        media = dict(batch.media)
        if not any(batch.media_rows):
            # A slice of a batch has the tensors too, with no rows, on which vision towers fail.
            blank = self.blank
            return {} if blank is None else {"pixel_values": blank.to(batch.device)}
        if "image_grid_thw" in media:
            media["pixel_values"] = _unpacked(media["pixel_values"], media["image_grid_thw"])
        if "batch_num_images" in self.parameters:
            counts = [rows for rows in batch.media_rows if rows]
            media["batch_num_images"] = torch.tensor(counts, device=batch.device)
        if self.grouped_media:
            # Such models flatten (batch, pictures) at once and match pictures to image tokens by
            # their order, so one group of all pictures needs no padding pictures.
            media = {name: tensor.unsqueeze(0) for name, tensor in media.items()}
        return media


def _blank_picture(model: nn.Module) -> Tensor | None:
    pixels = inspect.signature(model.forward).parameters.get("pixel_values")
    if pixels is None or pixels.default is not inspect.Parameter.empty:
        return None
    size = model.config.vision_config.image_size
    height, width = (size, size) if isinstance(size, int) else size
    return torch.zeros((1, 3, height, width), dtype=model.dtype)


def _answer_positions(batch: Batch) -> Tensor:
    """(B, S) bool: where an answer's token is read, one place after it is predicted."""
    said = (batch.labels != -100).cumsum(dim=1) > 0
    return torch.nn.functional.pad(said[:, :-1], (1, 0), value=False)


def _unpacked(pixels: Tensor, grid: Tensor) -> Tensor:
    """All patches of all pictures, (patches, D), from (pictures, most patches, D)."""
    counts = grid.prod(dim=-1)
    real = torch.arange(pixels.shape[1], device=pixels.device) < counts[:, None]
    return pixels[real]
