"""Picture files, read with Pillow: of a closed list of formats, and of a size that fits memory.

Pillow itself opens whatever it knows, and starts Ghostscript for PostScript, whatever a file is
called. A format is told by a file's content, never by its name.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from transferlab.core.records import Frames, MediaRef
from transferlab.domain.base.archive_members import readable
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.media.media_info import (
    FLAT,
    HASH_PIXELS,
    MediaInfo,
    mean_brightness,
    picture_hash,
)

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000")
"""Pillow's names of those that it decodes by itself."""
MAX_PIXELS = 64_000_000
"""8,000 x 8,000: a chest radiograph has 10 to 20 million."""
_ROWS_AT_ONCE = 256

# What Pillow raises on a file that is truncated, damaged, or large enough to exhaust the memory.
_BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def decode_image(ref: MediaRef) -> Frames:
    """One (H, W, 3) uint8 frame, upright, transparency laid on white.

    Raises:
        UnreadableMedium: the file is no picture, or is broken.
    """
    try:
        with open_picture(readable(ref.path)) as open_medium:
            return [_to_rgb(ImageOps.exif_transpose(open_medium))]
    except _BROKEN as error:
        raise _media_error(ref.path, error) from error


def check_image(path: Path, *, hashed: bool = False) -> MediaInfo:
    """Decode at a small scale where the format allows it, which is cheap and shows truncation.

    Args:
        path: the picture.
        hashed: whether its perceptual hash is wanted too.

    Raises:
        UnreadableMedium: the file is no picture, is broken, or is all one value.
    """
    try:
        with open_picture(readable(path)) as open_medium:
            full = open_medium.size
            open_medium.draft("L", (HASH_PIXELS, HASH_PIXELS))
            # A small scale shows means only, so it cannot tell a fine pattern from none.
            if _is_flat(open_medium) and (open_medium.size == full or _is_flat_in_full(path)):
                raise UnreadableMedium(path, FLAT)
            if not hashed:
                return MediaInfo()
            grey = _to_grey(open_medium)
            return MediaInfo(picture_hash=picture_hash(grey), brightness=mean_brightness(grey))
    except _BROKEN as error:
        raise _media_error(path, error) from error


def open_picture(source: Path | BinaryIO) -> Image.Image:
    """A picture of one of ``FORMATS``, of which nothing but its header has been read.

    Raises:
        UnidentifiedImageError: it is none.
        Image.DecompressionBombError: it has more than ``MAX_PIXELS``.
        OSError, SyntaxError, ValueError: it is damaged.
    """
    with warnings.catch_warnings():
        # Pillow's own limit, which is another one; ours is looked at below.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image = Image.open(source, formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise Image.DecompressionBombError
    return image


def _is_flat(image: Image.Image) -> bool:
    ends = image.getextrema()
    bands = ends if isinstance(ends[0], tuple) else (ends,)
    return all(low == high for low, high in bands)


def _is_flat_in_full(path: Path) -> bool:
    with open_picture(readable(path)) as open_medium:
        return _is_flat(open_medium)


def _to_grey(image: Image.Image) -> Image.Image:
    if image.mode in ("L", "RGB"):
        return image.convert("L")
    return Image.fromarray(_to_rgb(image)).convert("L")


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith(("I", "F")):
        return _from_deep_grey(np.asarray(image))
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
    grey = np.zeros(pixels.shape, np.uint8)
    if high > low:
        # By rows: a float64 copy of all of a large picture takes eight times its memory.
        for at in range(0, len(pixels), _ROWS_AT_ONCE):
            rows = pixels[at : at + _ROWS_AT_ONCE].astype(np.float64)
            grey[at : at + _ROWS_AT_ONCE] = ((rows - low) / (high - low) * 255).round()
    return np.repeat(grey[:, :, None], 3, axis=2)


def _media_error(path: Path, error: Exception) -> UnreadableMedium:
    if isinstance(error, UnidentifiedImageError):
        known = ", ".join(FORMATS)
        return UnreadableMedium(path, f"the file is not a picture of a kind that is read ({known})")
    if isinstance(error, Image.DecompressionBombError):
        return UnreadableMedium(
            path, f"the picture has more than {MAX_PIXELS:,} pixels; make it smaller first"
        )
    return UnreadableMedium(path, "the picture is truncated or damaged; copy the file again")
