"""Decoder plugin of pydicom for JPEG Extended with 12 bits, which its own plugins refuse.

pydicom asks a plugin's module for ``is_available`` and ``DECODER_DEPENDENCIES``.
"""

from __future__ import annotations

import imagecodecs
from pydicom.pixels.decoders import JPEGExtended12BitDecoder
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import JPEGExtended12Bit

DECODER_DEPENDENCIES = {JPEGExtended12Bit: ("imagecodecs",)}
LABEL = "imagecodecs"


def is_available(uid: str) -> bool:
    """Whether a transfer syntax is decoded here."""
    return uid in DECODER_DEPENDENCIES


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """The pixels of one frame, in the bytes of 8 or 16 bits per value.

    Raises:
        ValueError: the frame is damaged.
    """
    try:
        values = imagecodecs.jpeg8_decode(source)
    except imagecodecs.Jpeg8Error as error:
        raise ValueError(str(error)) from error
    runner.set_option("bits_allocated", 8 * values.dtype.itemsize)
    return values.astype(values.dtype.newbyteorder("<")).tobytes()


def register_plugin() -> None:
    """Let pydicom decode with this plugin where its own cannot; once per process."""
    if LABEL not in JPEGExtended12BitDecoder.available_plugins:
        JPEGExtended12BitDecoder.add_plugin(LABEL, (__name__, "decode_frame"))
