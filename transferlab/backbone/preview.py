"""What a backbone sees of a medium, turned back into pictures that people can look at."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferlab.backbone.hf import HFBackbone
from transferlab.core.records import MediaRef, Sample

_COLOURS = 3


def seen(backbone: HFBackbone, ref: MediaRef) -> list[np.ndarray]:
    """(H, W, 3) uint8 per tile: the processor's pixels with its normalisation undone.

    Empty for a backbone whose processor cuts pictures into flat patches, which show nothing.

    Raises:
        DataError: the medium is missing, broken or empty.
    """
    pixels = backbone.collator.media.encode((ref,)).tensors.get("pixel_values")
    if pixels is None or pixels.ndim < 4 or pixels.shape[-3] != _COLOURS:
        return []
    tiles = pixels.float().numpy().reshape(-1, *pixels.shape[-3:]).transpose(0, 2, 3, 1)
    preparation: Any = getattr(backbone.processor, "image_processor", None)
    if getattr(preparation, "do_normalize", False):
        tiles = tiles * np.asarray(preparation.image_std) + np.asarray(preparation.image_mean)
    return list((tiles.clip(0, 1) * 255).round().astype(np.uint8))


def length_tokens(backbone: HFBackbone, sample: Sample) -> int:
    """The tokens of prompt, media and the longest of answer and choices, which are scored too.

    It is what ``backbone.max_length_tokens`` limits.

    Raises:
        DataError: a medium is missing, broken or empty, or a text holds the image token.
    """
    collator = backbone.collator
    answers = {sample.answer, *sample.choices}
    longest = max(len(collator.answer(sample, answer)) for answer in answers)
    return len(collator.prompt(sample).ids) + longest - 1
