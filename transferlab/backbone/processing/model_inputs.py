"""From a batch to what a model's own ``forward`` takes: media shaped its way, and masks."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from transferlab.backbone.processing.audio_encoder import audio_inputs
from transferlab.backbone.processing.families import (
    Family,
    encodes_and_decodes,
    family_of,
    max_pictures,
)
from transferlab.backbone.processing.masks import (
    decoder_input_ids,
    encoder_inputs,
    image_run_mask,
    image_span_mask,
    last_image_mask,
)
from transferlab.core.batch import Batch, on_device
from transferlab.errors import ModelError


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
    sound_id: int | None
    """The token at the places of which the model hears a sound."""
    parameters: frozenset[str]
    """The names that the model's ``forward`` takes."""
    blank: dict[str, Tensor]
    """Media for a batch without any, where ``forward`` insists on some: one row each, which no
    token reads, or none."""
    one_picture: bool = False
    """The model takes exactly one picture per sample, and wants no dimension for them."""
    start_id: int | None = None
    """With which a decoder begins to answer what an encoder has read; None for one sequence."""

    @classmethod
    def of(cls, model: PreTrainedModel, *, grouped_media: bool, image_id: int) -> ModelInputs:
        """``model``: without an adapter."""
        return cls(
            family=family_of(model.config),
            blank=_blank(model),
            grouped_media=grouped_media,
            image_id=image_id,
            sound_id=_sound_id(model.config),
            one_picture=max_pictures(model.config) == 1,
            parameters=frozenset(inspect.signature(model.forward).parameters),
            start_id=_start_id(model) if encodes_and_decodes(model.config) else None,
        )

    def row_groups(self, batch: Batch) -> list[list[int]]:
        """The rows that may go through the model together; usually all."""
        if not self.family.equal_image_counts or len(set(batch.media_rows)) <= 1:
            return [list(range(len(batch)))]
        counts = sorted(set(batch.media_rows))
        return [
            [at for at, rows in enumerate(batch.media_rows) if rows == count] for count in counts
        ]

    def parts(self, batch: Batch) -> list[Batch]:
        """The batch by passes."""
        groups = self.row_groups(batch)
        return [batch] if len(groups) == 1 else [batch[rows] for rows in groups]

    def prompts(self, batch: Batch) -> list[tuple[list[int], Batch]]:
        """Rows of a batch of prompts that may be answered together, and what is read of them."""
        if not self.family.cache_counts_padding:
            return list(zip(self.row_groups(batch), self.parts(batch), strict=True))
        lengths = batch.attention_mask.sum(dim=1).tolist()
        groups = [
            [at for at, length in enumerate(lengths) if length == wanted]
            for wanted in sorted(set(lengths))
        ]
        return [(rows, batch[rows].last(lengths[rows[0]])) for rows in groups]

    def at_answers(self, outputs: Sequence[Tensor], batch: Batch) -> Tensor:
        """What the model made at the supervised positions.

        Args:
            outputs: per pass of the batch, (rows, positions, ...); the last positions of the batch,
                or those of the decoder.
            batch: on the same device.

        Returns:
            (n_supervised, ...), in the order of ``batch.targets()``.
        """
        found, owners = [], []
        for group, part, output in zip(
            self.row_groups(batch), self.parts(batch), outputs, strict=True
        ):
            rows, columns = part.answer_positions()
            if self.start_id is None:
                columns = columns - (part.input_ids.shape[1] - output.shape[1])
            else:  # a decoder reads the answer alone, from its first token on
                columns = torch.arange(len(rows)) - torch.searchsorted(rows, rows)
            found.append(output[on_device(rows, output.device), on_device(columns, output.device)])
            owners.append(torch.tensor(group)[rows])
        if len(found) == 1:
            return found[0]
        order = torch.cat(owners).argsort(stable=True)
        return torch.cat(found)[on_device(order, found[0].device)]

    def last_logits(self, count: int) -> dict[str, int]:
        """The argument by which a decoder makes logits at the last positions alone; else nothing.

        At all positions, a prompt of 1,500 tokens and a vocabulary of 150,000 is 900 MB.
        """
        return {"logits_to_keep": count} if self.cuts_logits else {}

    @property
    def cuts_logits(self) -> bool:
        """Whether the model can be asked for the logits of its last positions alone."""
        return "logits_to_keep" in self.parameters and self.start_id is None

    def training(self, batch: Batch) -> dict[str, Tensor]:
        """The arguments, with the answers that a decoder reads."""
        made = self(batch)
        if self.start_id is not None:
            made["decoder_input_ids"] = decoder_input_ids(batch, start_id=self.start_id)
        return made

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Token ids, mask, token types where the model has them, and media."""
        if self.start_id is None:
            made = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        else:
            made = encoder_inputs(batch)
        image = made["input_ids"] == self.image_id
        if "mm_token_type_ids" in self.parameters:
            made["mm_token_type_ids"] = image.long()
        if "token_type_ids" in self.parameters:
            types = _answer_positions(batch) if self.family.answer_types else image
            made["token_type_ids"] = types.long()
        if "image_embeds_position_mask" in self.parameters:
            made["image_embeds_position_mask"] = self.pictures(made["input_ids"]).long()
        if self.family.positions_count_padding:
            made["position_ids"] = (batch.attention_mask.cumsum(dim=1) - 1).clamp(min=0)
        return made | self._media(batch) | self._extra_inputs(batch)

    def pictures(self, input_ids: Tensor) -> Tensor:
        """(B, S) bool: the places at which a picture is read, where it is among the embeddings."""
        image = input_ids == self.image_id
        return image_span_mask(image) if self.family.layout == "image_span" else image

    def _extra_inputs(self, batch: Batch) -> dict[str, Tensor]:
        """What else is read of prompts: a row for every sound, or of words for every picture."""
        if self.family.takes_audio:
            return audio_inputs(batch.extra_inputs, self.family.takes_audio)
        counts = torch.tensor(batch.media_rows)
        if not any(batch.media_rows):
            counts[0] = 1  # for the blank picture
        rows = on_device(torch.arange(len(batch)).repeat_interleave(counts), batch.device)
        return {name: tensor[rows] for name, tensor in batch.extra_inputs.items()}

    def _media(self, batch: Batch) -> dict[str, Tensor]:
        media = dict(batch.media)
        if not any(batch.media_rows):
            # A slice of a batch has the tensors too, with no rows, on which vision towers fail.
            media = {name: one.to(batch.device) for name, one in self.blank.items()}
            return self._crossed(media, batch) if self.family.by_sample and media else media
        if "image_grid_thw" in media:
            media["pixel_values"] = _unpacked(media["pixel_values"], media["image_grid_thw"])
        if "batch_num_images" in self.parameters:
            counts = [rows for rows in batch.media_rows if rows]
            media["batch_num_images"] = torch.tensor(counts, device=batch.device)
        if self.family.by_sample:
            return self._crossed(media, batch)
        if self.grouped_media:
            # Such models flatten (batch, pictures) at once and match pictures to image tokens by
            # their order, so one group of all pictures needs no padding pictures.
            media = {name: tensor.unsqueeze(0) for name, tensor in media.items()}
        return media

    def _crossed(self, media: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Every sample's own pictures, and which of them a word sees."""
        counts = batch.media_rows if any(batch.media_rows) else (1,) * len(batch)
        if not any(batch.media_rows):
            media = {name: one.expand(len(batch), *one.shape[1:]) for name, one in media.items()}
        media = {name: _by_sample(tensor, counts) for name, tensor in media.items()}
        if self.one_picture:
            media = {name: tensor.squeeze(1) for name, tensor in media.items()}
        image = batch.input_ids == self.image_id
        if self.family.image_scope == "next":
            media["cross_attention_mask"] = image_run_mask(image, media["aspect_ratio_mask"])
        if self.family.image_scope == "last":
            media["image_attention_mask"] = last_image_mask(image, max(counts))
        return media


def _sound_id(config: PreTrainedConfig) -> int | None:
    for key in ("audio_token_id", "audio_token_index"):
        if getattr(config, key, None) is not None:
            return getattr(config, key)
    return None


def _blank(model: PreTrainedModel) -> dict[str, Tensor]:
    pixels = inspect.signature(model.forward).parameters.get("pixel_values")
    family = family_of(model.config)
    if family.layout == "image_span":
        return {"image_embeds": torch.zeros((0, 1, 1), dtype=model.dtype)}
    needed = pixels is not None and pixels.default is inspect.Parameter.empty
    if not needed and family.image_scope != "last":
        return {}
    size = model.config.vision_config.image_size
    height, width = (size, size) if isinstance(size, int) else size
    return {"pixel_values": torch.zeros((1, 3, height, width), dtype=model.dtype)}


def _start_id(model: PreTrainedModel) -> int:
    for config in (model.generation_config, model.config, model.config.get_text_config()):
        if getattr(config, "decoder_start_token_id", None) is not None:
            return config.decoder_start_token_id
    raise ModelError(
        "the backbone names no token with which its decoder begins; set decoder_start_token_id in "
        "its generation_config.json"
    )


def _by_sample(rows: Tensor, counts: Sequence[int]) -> Tensor:
    """(samples, most pictures, ...) of (pictures, ...); padded with zeros."""
    return torch.nn.utils.rnn.pad_sequence(rows.split(list(counts)), batch_first=True)


def _answer_positions(batch: Batch) -> Tensor:
    """(B, S) bool: where an answer's token is read, one place after it is predicted."""
    answered = batch.supervised.cumsum(dim=1) > 0
    return torch.nn.functional.pad(answered[:, :-1], (1, 0), value=False)


def _unpacked(pixels: Tensor, grid: Tensor) -> Tensor:
    """All patches of all pictures, (patches, D), from (pictures, most patches, D)."""
    counts = grid.prod(dim=-1)
    real = torch.arange(pixels.shape[1], device=pixels.device) < counts[:, None]
    return pixels[real]
