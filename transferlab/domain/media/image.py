"""Picture files, read with Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from transferlab.core.records import Frames, MediaRef
from transferlab.domain.base.archive_members import readable
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.media.media_info import FLAT, HASH_PIXELS, MediaInfo, picture_hash

# What Pillow raises on a file that is truncated, damaged, or large enough to exhaust the memory.
_BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def decode_image(ref: MediaRef) -> Frames:
    """One (H, W, 3) uint8 frame, upright, transparency laid on white.

    Raises:
        UnreadableMedium: the file is no picture, or is broken.
    """
    try:
        with Image.open(readable(ref.path)) as open_medium:
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
        with Image.open(readable(path)) as open_medium:
            full = open_medium.size
            open_medium.draft("L", (HASH_PIXELS, HASH_PIXELS))
            # A small scale shows means only, so it cannot tell a fine pattern from none.
            if _is_flat(open_medium) and (open_medium.size == full or _is_flat_in_full(path)):
                raise UnreadableMedium(path, FLAT)
            return MediaInfo(picture_hash=picture_hash(_to_grey(open_medium)) if hashed else None)
    except _BROKEN as error:
        raise _media_error(path, error) from error


def _is_flat(image: Image.Image) -> bool:
    ends = image.getextrema()
    bands = ends if isinstance(ends[0], tuple) else (ends,)
    return all(low == high for low, high in bands)


def _is_flat_in_full(path: Path) -> bool:
    with Image.open(readable(path)) as open_medium:
        return _is_flat(open_medium)


def _to_grey(image: Image.Image) -> Image.Image:
    if image.mode in ("L", "RGB"):
        return image.convert("L")
    return Image.fromarray(_to_rgb(image)).convert("L")


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


def _media_error(path: Path, error: Exception) -> UnreadableMedium:
    if isinstance(error, UnidentifiedImageError):
        return UnreadableMedium(path, "the file is not a picture that Pillow can read")
    if isinstance(error, Image.DecompressionBombError):
        return UnreadableMedium(path, "the picture is implausibly large; make it smaller first")
    return UnreadableMedium(path, "the picture is truncated or damaged; copy the file again")
