"""Decoded media as the processor's tensors and image tokens, kept in memory between epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from transferlab.backbone.cache import ByteCache
from transferlab.core.records import Decode, MediaRef
from transferlab.errors import ModelError

CACHE_BYTES = 512 * 2**20


@dataclass(frozen=True, kw_only=True)
class EncodedMedia:
    """One medium, ready for the model."""

    tokens: tuple[tuple[int, ...], ...]
    """Per frame: the token ids that its image token is expanded to."""
    tensors: dict[str, Tensor]
    """E.g. pixel_values; the first dimension counts ``rows``."""
    rows: int


class MediaEncoder:
    """Turns references into tensors through the processor, frame by frame.

    Every frame is processed alone, so that what a medium becomes does not depend on its neighbours
    in the batch and can be kept.
    """

    def __init__(
        self,
        processor: Any,
        *,
        decode: Decode,
        dtype: torch.dtype,
        name: str,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """Try the processor on a small picture.

        Raises:
            ModelError: it yields tensors that batches cannot carry.
        """
        self._processor, self._decode, self._dtype, self._name = processor, decode, dtype, name
        self._cache: ByteCache[EncodedMedia] = ByteCache(cache_bytes)
        self.grouped = False
        """Whether the model wants its pictures as (batch, pictures, ...), as Idefics does."""
        picture = np.arange(64 * 64 * 3, dtype=np.uint32).reshape(64, 64, 3) % 251
        self._encode_frame(picture.astype(np.uint8))

    def encode(self, ref: MediaRef) -> EncodedMedia:
        """The medium's tensors, decoded only when they are not at hand.

        Raises:
            DataError: the medium is missing, broken or empty.
        """
        kept = self._cache.get(ref)
        if kept is not None:
            return kept
        frames = [self._encode_frame(frame) for frame in self._decode(ref)]
        tensors = join_media([frame.tensors for frame in frames])
        encoded = EncodedMedia(
            tokens=tuple(frame.tokens[0] for frame in frames),
            tensors=tensors,
            rows=sum(frame.rows for frame in frames),
        )
        self._cache.put(ref, encoded, size_bytes=sum(t.nbytes for t in tensors.values()))
        return encoded

    def whole_prompt(self, text: str, media: Sequence[MediaRef]) -> list[int]:
        """The token ids that the processor itself makes of a prompt and all its media."""
        frames = [frame for ref in media for frame in self._decode(ref)]
        tokenizer = self._processor.tokenizer
        add_first = tokenizer.bos_token is None or not text.startswith(tokenizer.bos_token)
        given = self._processor(text=[text], images=[frames], add_special_tokens=add_first)
        return list(given["input_ids"][0])

    def _encode_frame(self, frame: np.ndarray) -> EncodedMedia:
        given = dict(
            self._processor(
                text=self._processor.image_token,
                images=[frame],
                add_special_tokens=False,
                return_tensors="pt",
            )
        )
        (tokens,) = given.pop("input_ids").tolist()
        given.pop("attention_mask")
        self.grouped = given["pixel_values"].ndim == 5
        if self.grouped:
            given = {name: tensor.squeeze(0) for name, tensor in given.items()}
        rows = {name: tensor.shape[0] for name, tensor in given.items()}
        if len(set(rows.values())) != 1:
            raise ModelError(
                f"backbone '{self._name}': its processor yields tensors that do not count pictures "
                f"alike ({', '.join(sorted(rows))}), which batches cannot carry yet; choose "
                "another backbone"
            )
        tensors = {
            name: tensor.to(self._dtype) if tensor.is_floating_point() else tensor
            for name, tensor in given.items()
        }
        return EncodedMedia(tokens=(tuple(tokens),), tensors=tensors, rows=rows["pixel_values"])


def join_media(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """All rows of several media, name by name.

    Pictures of unequal size are padded with zeros at the far edges, where there is a
    ``pixel_attention_mask`` that tells the model so.

    Args:
        parts: per medium or frame, tensors of shape (rows, ...).

    Raises:
        ModelError: the tensors differ in shape, and no mask could say what is padding.
    """
    return {
        name: _join_rows([part[name] for part in parts], padded="pixel_attention_mask" in parts[0])
        for name in (parts[0] if parts else ())
    }


def _join_rows(tensors: list[Tensor], *, padded: bool) -> Tensor:
    shapes = {tensor.shape[1:] for tensor in tensors}
    if len(shapes) == 1:
        return torch.cat(tensors)
    if not padded or len({shape[:-2] for shape in shapes}) != 1:
        raise ModelError(
            "the backbone's processor yields pictures of unequal shape "
            f"({', '.join(str(tuple(shape)) for shape in sorted(shapes))}) and no mask for them; "
            "choose a backbone whose processor resizes to one size"
        )
    height = max(shape[-2] for shape in shapes)
    width = max(shape[-1] for shape in shapes)
    edges = [(0, width - t.shape[-1], 0, height - t.shape[-2]) for t in tensors]
    pad = torch.nn.functional.pad
    return torch.cat([pad(t, edge) for t, edge in zip(tensors, edges, strict=True)])
