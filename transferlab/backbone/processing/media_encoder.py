"""Decoded media as the processor's tensors and image tokens, kept in memory between epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from transferlab.backbone.base.byte_cache import ByteCache
from transferlab.backbone.processing.chat import Chat
from transferlab.backbone.processing.media_store import MediaStore, entry_key, settings_digest
from transferlab.core.batch import join_rows
from transferlab.core.records import Decode, Frames, MediaRef
from transferlab.errors import ModelError

CACHE_BYTES = 512 * 2**20
MADE_FROM_TOKENS = frozenset(
    {
        "attention_mask",
        "batch_num_images",
        "cross_attention_mask",
        "image_attention_mask",
        "image_embeds_position_mask",
        "input_ids",
        "labels",
        "mm_token_type_ids",
        "num_crops",
        "num_patches",
        "num_soft_tokens_per_image",
        "qformer_attention_mask",
        "qformer_input_ids",
        "token_type_ids",
    }
)
"""What processors give and ``ModelInputs`` makes, or no model takes."""
SAY_WHAT_IS_PADDING = frozenset({"pixel_attention_mask", "image_sizes", "image_grid_thw"})


@dataclass(frozen=True, kw_only=True)
class EncodedMedia:
    """All media of one sample, ready for the model."""

    frames: tuple[int, ...]
    """Per medium."""
    texts: tuple[str, ...]
    """Per frame: the text that stands for it in the prompt."""
    tensors: dict[str, Tensor]
    """E.g. pixel_values; the first dimension counts ``rows``."""
    rows: int


class MediaEncoder:
    """Turns a sample's references into tensors through the processor.

    The media of one sample are processed together, because some processors cut a single picture
    into tiles and not several; what they become does not depend on the other samples of a batch.
    """

    def __init__(
        self,
        processor: Any,
        *,
        chat: Chat,
        decode: Decode,
        dtype: torch.dtype,
        name: str,
        cache_bytes: int = CACHE_BYTES,
        store: MediaStore | None = None,
    ) -> None:
        """Try the processor on two small pictures.

        ``store`` keeps what is made, also for other runs; None keeps it in memory alone.

        Raises:
            ModelError: it yields tensors that batches cannot carry.
        """
        self._processor, self._chat, self._decode = processor, chat, decode
        self._dtype, self._name = dtype, name
        self.picture_id = chat.picture_id
        """The token at the places of which the model reads a picture."""
        self._cache: ByteCache[EncodedMedia] = ByteCache(cache_bytes)
        self._added = {at: token for token, at in processor.tokenizer.get_added_vocab().items()}
        picture = np.arange(64 * 64 * 3, dtype=np.uint32).reshape(64, 64, 3) % 251
        picture = picture.astype(np.uint8)
        given = self._processed([picture, picture])
        self.grouped = "image_grid_thw" not in given and given["pixel_values"].shape[0] == 1
        """Whether the model wants its pictures as (batch, pictures, ...), as Idefics does."""
        tried = self._encoded([[picture], [picture]])
        self._store = store
        self._settings = settings_digest(
            processor, name, dtype, type(chat.layout).__name__, tried.texts
        )

    def encode(self, refs: tuple[MediaRef, ...]) -> EncodedMedia:
        """The media's tensors, decoded only when they are not at hand.

        Raises:
            DataError: a medium is missing, broken or empty.
        """
        if not refs:
            return EncodedMedia(frames=(), texts=(), tensors={}, rows=0)
        cached = self._cache.get(refs)
        if cached is None:
            cached = self._stored(refs)
            size_bytes = sum(tensor.nbytes for tensor in cached.tensors.values())
            self._cache.put(refs, cached, size_bytes=size_bytes)
        return cached

    def _stored(self, refs: tuple[MediaRef, ...]) -> EncodedMedia:
        """From the store where it has them, else made and put there."""
        store = self._store
        key = entry_key(refs, self._settings) if store else None
        entry = store.read(key) if store and key else None
        if entry is not None:
            tensors, facts = entry
            return EncodedMedia(
                frames=tuple(facts["frames"]),
                texts=tuple(facts["texts"]),
                tensors=tensors,
                rows=facts["rows"],
            )
        made = self._encoded([self._decode(ref) for ref in refs])
        if store and key:
            facts = {"frames": made.frames, "texts": made.texts, "rows": made.rows}
            store.write(key, (made.tensors, facts))
        return made

    def whole_prompt(self, text: str, media: Sequence[MediaRef]) -> dict[str, Tensor]:
        """What the processor itself makes of a prompt and all its media."""
        frames = [_picture(frame) for ref in media for frame in self._decode(ref)]
        return self._chat.layout.encode_prompt(text, frames)

    def _encoded(self, media: Sequence[Frames]) -> EncodedMedia:
        frames = [frame for medium in media for frame in medium]
        given = self._processed(frames)
        texts = ("",) * len(frames)
        if "input_ids" in given:
            texts = self._texts(given["input_ids"][0].tolist(), count=len(frames))
        tensors = {name: given[name] for name in given.keys() - MADE_FROM_TOKENS}
        if self.grouped:
            tensors = {name: tensor.squeeze(0) for name, tensor in tensors.items()}
        if "image_grid_thw" in tensors:
            counts = tensors["image_grid_thw"].prod(dim=-1).tolist()
            patches = tensors["pixel_values"].split(counts)
            # One row per picture, so that rows can be chosen by sample; undone by ModelInputs.
            tensors["pixel_values"] = torch.nn.utils.rnn.pad_sequence(patches, batch_first=True)
        rows = {name: tensor.shape[0] for name, tensor in tensors.items()}
        if len(set(rows.values())) != 1:
            raise ModelError(
                f"backbone '{self._name}': its processor yields tensors that do not count pictures "
                f"alike ({', '.join(sorted(rows))}), which batches cannot carry yet; choose "
                "another backbone"
            )
        tensors = {
            name: tensor.to(self._dtype) if tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()
        }
        return EncodedMedia(
            frames=tuple(len(medium) for medium in media),
            texts=texts,
            tensors=tensors,
            rows=rows["pixel_values"],
        )

    def _processed(self, frames: Frames) -> dict[str, Tensor]:
        """What the processor makes of pictures, an end token after each."""
        end = self._processor.tokenizer.convert_ids_to_tokens(self._chat.end_ids[0])
        return self._chat.layout.encode_images([_picture(frame) for frame in frames], end=end)

    def _texts(self, ids: list[int], *, count: int) -> tuple[str, ...]:
        """Per picture, the text of the tokens before its end token."""
        first, end = self._processor.tokenizer.bos_token_id, self._chat.end_ids[0]
        parts: list[list[int]] = [[]]
        for token in ids:
            if token == end:
                parts.append([])
            elif token != first:
                parts[-1].append(token)
        if len(parts) <= count:
            raise ModelError(
                f"backbone '{self._name}': its processor does not keep the end token between two "
                "pictures, so their tokens cannot be told apart; choose another backbone"
            )
        chosen = self._chat.layout.split_per_image(parts, count=count)
        return tuple(self._text(part) for part in chosen)

    def _text(self, ids: list[int]) -> str:
        """The text that these tokens come from; special tokens by their names."""
        pieces: list[str] = []
        plain: list[int] = []
        for token in [*ids, None]:
            if token is not None and token not in self._added:
                plain.append(token)
                continue
            if plain:
                pieces.append(self._processor.tokenizer.decode(plain))
                plain = []
            if token is not None:
                pieces.append(self._added[token])
        return "".join(pieces)


def _picture(frame: np.ndarray) -> Image.Image:
    """As an image object: not every processor reads arrays, and none then has to guess axes."""
    return Image.fromarray(frame)


def join_media(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """All rows of several samples, name by name.

    Pictures of unequal size are padded with zeros at the far edges, where there is a tensor that
    tells the model so.

    Args:
        parts: per sample with media, tensors of shape (rows, ...).

    Raises:
        ModelError: the tensors differ in shape, and nothing could say what is padding.
    """
    names = list(parts[0]) if parts else []
    padded = bool(SAY_WHAT_IS_PADDING & set(names))
    return {name: _joined([part[name] for part in parts], padded=padded) for name in names}


def _joined(tensors: list[Tensor], *, padded: bool) -> Tensor:
    shapes = {tensor.shape[1:] for tensor in tensors}
    if len(shapes) > 1 and not padded:
        raise ModelError(
            "the backbone's processor yields pictures of unequal shape "
            f"({', '.join(str(tuple(shape)) for shape in sorted(shapes))}) and no mask for them; "
            "choose a backbone whose processor resizes to one size"
        )
    return join_rows(tensors)
