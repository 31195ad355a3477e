"""What is found out about one file before anything is trained on it."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageStat

FLAT = "the picture is all one value: nothing can be seen on it"
HASH_SIDE = 16
"""A perceptual hash has 16 x 16 = 256 bits: 64 bits do not tell chest X-rays apart."""
HASH_BYTES = HASH_SIDE**2 // 8
HASH_PIXELS = 128
"""The shorter side of a picture that is decoded for nothing but its hash, at the least."""


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """A medium that can be decoded."""

    length_seconds: float | None = None
    """A video's length, where it is known."""
    picture_hash: bytes | None = None
    """32 bytes that hardly change when a picture is resized or encoded again; None for videos, and
    where it was not asked for."""
    brightness: float | None = None
    """A picture's mean grey, in [0, 255]; None for videos, and where no hash was asked for."""
    burned_in: bool = False
    """Whether a DICOM file says that text is burned into its pixels (BurnedInAnnotation)."""
    persons: tuple[str, ...] = ()
    """What a DICOM file says of whom it shows: a number, and a name with a date of birth."""
    instance: str = ""
    """The number that a DICOM file says is its alone (SOPInstanceUID)."""
    note: str | None = None
    """What the file says of its display that cannot be obeyed, and what is shown instead."""


def mean_brightness(picture: Image.Image) -> float:
    """The mean of an 8-bit grey picture, in [0, 255]."""
    return float(ImageStat.Stat(picture).mean[0])


def picture_hash(picture: Image.Image) -> bytes:
    """The perceptual hash of an 8-bit picture, as 32 bytes."""
    # Imported here: it brings scipy, and loading a domain does not hash pictures.
    import imagehash
    import numpy as np

    bits = imagehash.phash(picture, hash_size=HASH_SIDE).hash
    return np.packbits(bits).tobytes()
