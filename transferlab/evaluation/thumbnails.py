"""Grey thumbnails of media, for what needs no understanding."""

from __future__ import annotations

import numpy as np
from PIL import Image

from transferlab.core.records import Decode, MediaRef, Sample

PIXELS = 32


class PixelVectors:
    """The 32x32 grey thumbnails of media, each decoded once."""

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._known: dict[MediaRef, np.ndarray] = {}

    def of(self, sample: Sample) -> np.ndarray:
        """(1024,) float64 in [0, 255]: the sample's first medium; a video is the mean of its
        frames. The whole picture is squeezed to a square, whatever its shape.

        Raises:
            DataError: the medium cannot be decoded.
        """
        ref = sample.media[0]
        if ref not in self._known:
            frames = [_thumbnail(frame) for frame in self._decode(ref)]
            self._known[ref] = np.mean(frames, axis=0).ravel()
        return self._known[ref]


def _thumbnail(frame: np.ndarray) -> np.ndarray:
    grey = Image.fromarray(frame).convert("L")
    return np.asarray(grey.resize((PIXELS, PIXELS), Image.Resampling.BILINEAR), np.float64)
