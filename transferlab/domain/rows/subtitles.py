"""Subtitle files as they are found: words after blank lines, rolling captions, shifted clocks."""

from __future__ import annotations

import errno
import html
import io
import re
from collections.abc import Sequence
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import NamedTuple

import webvtt
from webvtt.models import Timestamp

from transferlab.core.paths import is_special
from transferlab.domain.tables.text_file import BYTE_ORDER_MARKS, UTF8

TIMING = "-->"
_COMMENTS = ("NOTE", "STYLE", "REGION")
_MAP = re.compile(r"X-TIMESTAMP-MAP=(?=.*MPEGTS:(\d+))(?=.*LOCAL:([\d:.]+))")
_MPEG_CLOCK_HZ = 90_000
MAX_BYTES = 16 * 1024**2
"""Of a subtitle file: that of an hour has 100 kB."""
_ROLLING_CUES = 3
"""So many cues, and half of all, repeat a line of the one before where captions roll."""


class Cue(NamedTuple):
    """What is said, and when, in seconds."""

    lines: tuple[str, ...]
    start: float
    end: float

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.lines).split())


def read_subtitles(path: Path, *, encoding: str = UTF8) -> list[Cue]:
    """The cues of a WebVTT or .srt file, in its order; those without words are left out.

    Entities are decoded. Words that stand after a blank line belong to the cue above them. Of
    captions that roll (each repeats the last line of the one before) every line is kept once. Times
    are moved by what the header's X-TIMESTAMP-MAP says.

    Args:
        path: the file.
        encoding: of a file that is not UTF-8 and has no byte order mark.

    Raises:
        OSError: the file cannot be read, is a pipe or a device, or larger than ``MAX_BYTES``.
        UnicodeDecodeError: it is neither UTF-8 nor in that encoding.
        webvtt.errors.MalformedFileError, MalformedCaptionError: it is no subtitle file.
    """
    text = _decoded(_content(path), encoding).replace("\r\n", "\n").replace("\r", "\n")
    if path.suffix.lower() == ".srt":
        captions = webvtt.from_buffer(io.StringIO(_joined(text, header=False)), format="srt")
        shift = 0.0
    else:
        captions = webvtt.from_string(_joined(text, header=True), strict=True)
        shift = _shift(text)
    cues = []
    for caption in captions.captions:
        texts = (html.unescape(line).strip() for line in caption.text.splitlines())
        lines = tuple(line for line in texts if line)
        start, end = _seconds(caption.start_time), _seconds(caption.end_time)
        if lines:
            cues.append(Cue(lines, start + shift, end + shift))
    return _unrolled(cues)


def needs_encoding(path: Path) -> bool:
    """Whether a subtitle file is neither UTF-8 nor says by a mark what it is.

    Raises:
        OSError: the file cannot be read, is a pipe or a device, or larger than ``MAX_BYTES``.
    """
    try:
        _decoded(_content(path), UTF8)
    except UnicodeDecodeError:
        return True
    return False


def _content(path: Path) -> bytes:
    if is_special(path) or path.stat().st_size > MAX_BYTES:
        raise OSError(errno.EFBIG, "it is no file, or larger than 16 MiB")
    return path.read_bytes()


def _decoded(content: bytes, encoding: str) -> str:
    codecs = (codec for mark, codec in BYTE_ORDER_MARKS.items() if content.startswith(mark))
    try:
        return content.decode(next(codecs, "utf-8-sig"))
    except UnicodeDecodeError:
        if encoding == UTF8:
            raise
        return content.decode(encoding)


def _joined(text: str, *, header: bool) -> str:
    """The text with blocks that have no times put to the cue above them."""
    found = [block.split("\n") for block in re.split(r"\n(?:[ \t]*\n)+", text.strip("\n"))]
    blocks, header_blocks = (found[1:], found[:1]) if header else (found, [])
    begun = False  # whether a cue has come by now
    for block, following in zip_longest(blocks, blocks[1:], fillvalue=[""]):
        timed = any(TIMING in line for line in block[:2])
        parted = len(block) == 1 and block[0].strip().isdigit() and TIMING in following[0]
        if timed or not begun or block[0].startswith(_COMMENTS):
            # In .srt a cue without its number would not be read.
            header_blocks.append(
                ["0", *block] if timed and not header and TIMING in block[0] else block
            )
        elif not parted:  # a cue's number that a blank line parts from its times is no words
            header_blocks[-1] += block
        begun = begun or timed
    worded = [block for block in header_blocks if not _is_empty_cue(block)]
    return "\n\n".join("\n".join(block) for block in worded) + "\n"


def _is_empty_cue(block: Sequence[str]) -> bool:
    times = [at for at, line in enumerate(block[:2]) if TIMING in line]
    return bool(times) and not any(line.strip() for line in block[times[0] + 1 :])


def _shift(text: str) -> float:
    """Seconds between the file's clock and the film's."""
    found = _MAP.search(text.partition("\n\n")[0])
    if found is None:
        return 0.0
    return int(found[1]) / _MPEG_CLOCK_HZ - _seconds(Timestamp.from_string(found[2]))


def _unrolled(cues: Sequence[Cue]) -> list[Cue]:
    repeated = sum(one.lines[0] == before.lines[-1] for before, one in pairwise(cues))
    if repeated < max(_ROLLING_CUES, len(cues) / 2):
        return list(cues)
    unrolled: list[Cue] = []
    shown: tuple[str, ...] = ()
    for cue in cues:
        same = next(
            size
            for size in range(min(len(shown), len(cue.lines)), -1, -1)
            if shown[len(shown) - size :] == cue.lines[:size]
        )
        if new := cue.lines[same:]:
            unrolled.append(cue._replace(lines=new))
        shown = cue.lines
    return unrolled


def _seconds(time: Timestamp) -> float:
    hours, minutes, seconds, milliseconds = time.to_tuple()
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
