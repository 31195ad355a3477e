"""FFmpeg, which PyAV wraps, without its messages.

Whoever turned them on (torchvision does, in some versions) lets FFmpeg's threads wait for
Python's lock with each message. The thread that closes a decoder holds that lock and waits
for them, so that both wait for ever.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer, OutputContainer


def open_input(source: Path | BinaryIO) -> InputContainer:
    """A film or sound for reading.

    Raises:
        av.FFmpegError: it is none.
    """
    av.logging.set_level(None)
    # Titles are of no use here, and many a film has them in the encoding of its author's machine.
    return av.open(
        str(source) if isinstance(source, Path) else source, mode="r", metadata_errors="replace"
    )


def open_output(path: Path) -> OutputContainer:
    """A film for writing, its kind by the path's ending."""
    av.logging.set_level(None)
    return av.open(str(path), mode="w")
