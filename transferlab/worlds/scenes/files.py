"""How a scene is kept: a PNG file, or a film whose every frame stays for a while."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from transferlab.core.libav import open_output

FRAME_RATE = 8
REPEATS = 4
"""Film frames per picture of a clip, so that a reader that samples in between meets it too."""


def write_picture(path: Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 as PNG."""
    Image.fromarray(image).save(path)


def write_film(path: Path, images: tuple[np.ndarray, ...]) -> None:
    """Write (H, W, 3) uint8 pictures as H.264 with next to no loss, in MP4."""
    height, width = images[0].shape[:2]
    with open_output(path) as film:
        stream = film.add_stream("libx264", rate=Fraction(FRAME_RATE))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
        # One thread: the same scene is then the same bytes on every machine of one kind.
        stream.codec_context.thread_count = 1
        stream.options = {"crf": "4", "preset": "ultrafast"}
        for image in images:
            for _ in range(REPEATS):
                for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                    film.mux(packet)
        for packet in stream.encode():
            film.mux(packet)
