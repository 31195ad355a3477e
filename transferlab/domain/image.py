"""Picture files, read with Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from transferlab.core.records import Frames, MediaRef
from transferlab.domain.unreadable import UnreadableMedium

# What Pillow raises on a file that is truncated, damaged, or large enough to exhaust the memory.
_BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def decode_image(ref: MediaRef) -> Frames:
    """One (H, W, 3) uint8 frame, upright, transparency laid on white.

    Raises:
        UnreadableMedium: the file is no picture, or is broken.
    """
    try:
        with Image.open(ref.path) as opened:
            return [_to_rgb(ImageOps.exif_transpose(opened))]
    except _BROKEN as error:
        raise _unreadable(ref.path, error) from error


def check_image(path: Path) -> None:
    """Decode at the smallest scale that the format allows, which is cheap and shows truncation.

    Raises:
        UnreadableMedium: the file is no picture, or is broken.
    """
    try:
        with Image.open(path) as opened:
            opened.draft("L", (64, 64))
            opened.load()
    except _BROKEN as error:
        raise _unreadable(path, error) from error


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith(("I", "F")):
        return _from_deep_grey(np.asarray(image, dtype=np.float64))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(white, rgba)
    return np.array(image.convert("RGB"))


def _from_deep_grey(pixels: np.ndarray) -> np.ndarray:
    """Grey of more than 8 bits, stretched from its own minimum and maximum.

    A file says that it has 16 bits, but not how many of them the camera used; a fixed divisor would
    turn 12-bit pictures nearly black.
    """
    low, high = float(pixels.min()), float(pixels.max())
    scaled = np.zeros_like(pixels) if high <= low else (pixels - low) / (high - low) * 255
    return np.repeat(scaled.round().astype(np.uint8)[:, :, None], 3, axis=2)


def _unreadable(path: Path, error: Exception) -> UnreadableMedium:
    if isinstance(error, UnidentifiedImageError):
        return UnreadableMedium(path, "the file is not a picture that Pillow can read")
    if isinstance(error, Image.DecompressionBombError):
        return UnreadableMedium(path, "the picture is implausibly large; make it smaller first")
    return UnreadableMedium(path, "the picture is truncated or damaged; copy the file again")
