"""Text files: line by line, in an encoding that is known to hold, packed or not."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from transferlab.core.paths import is_special
from transferlab.errors import DataError


class WrongEncoding(DataError):
    """A text that is not in the encoding in which it was read."""


UTF8 = "utf-8"
GZIP = ".gz"
MAX_UNPACKED_BYTES = 2 * 1024**3
"""Of a packed table: the largest that is known (MIMIC-CXR's) unpacks to 60 MB."""
MAX_EXPANSION = 100
FREE_UNPACKED_BYTES = 64 * 1024**2
"""From so many bytes on, a packed table may unpack to ``MAX_EXPANSION`` times its size: text packs
to a tenth, and rarely to less than a fiftieth."""
MAX_LINE_BYTES = 64 * 1024**2
"""Of a line of a text, which is in memory as a whole."""
_CHUNK_BYTES = 1 << 20
_LONGEST_LINE = 1 << 20
"""Characters of a line that is looked at to tell JSON lines from a list on one long line."""
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""What a file's first bytes say stands above what was written of it; the longer marks first."""


@contextmanager
def lines_of(path: Path, encoding: str = UTF8, *, newline: str = "\n") -> Iterator[IO[str]]:
    """A text file that is read line by line, after all of it is known to be in its encoding."""
    with _decoded(path, encoding):
        _check_encoding(path, encoding)
        with io.TextIOWrapper(
            _unpacked(path), encoding=_codec(path, encoding), newline=newline
        ) as text:
            yield text


def _check_encoding(path: Path, encoding: str) -> None:
    decoder = codecs.getincrementaldecoder(_codec(path, encoding))()
    done = line_bytes = 0
    largest = max(FREE_UNPACKED_BYTES, MAX_EXPANSION * path.stat().st_size)
    most_bytes = min(MAX_UNPACKED_BYTES, largest)
    with _unpacked(path) as file:
        while chunk := file.read(_CHUNK_BYTES):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                raise _wrong_encoding(path, encoding, at=done - pending + error.start) from error
            done += len(chunk)
            end = chunk.rfind(b"\n")
            line_bytes = len(chunk) - end - 1 if end >= 0 else line_bytes + len(chunk)
            if line_bytes > MAX_LINE_BYTES and path.suffix.lower() != ".json":
                raise DataError(f"{path}: has a line of more than 64 MiB; is it a table?")
            if path.suffix.lower() == GZIP and done > most_bytes:
                raise DataError(
                    f"{path}: unpacks to more than {most_bytes:,} bytes, {MAX_EXPANSION} times its "
                    "size; is it a table? If it is, unpack it yourself"
                )
    decoder.decode(b"", final=True)


def _wrong_encoding(path: Path, encoding: str, *, at: int | None = None) -> WrongEncoding:
    byte = "" if at is None else f" (byte {at})"
    return WrongEncoding(
        f"{path}: is not {encoding.upper()} text{byte}; save it as UTF-8, or name the encoding of "
        "a CSV in domain.yaml (encoding: cp1252)"
    )


def is_json_lines(path: Path) -> bool:
    """Whether a file holds one JSON object per line, whatever its ending says.

    Its first two lines that are not empty are looked at: of a list, or of one object, the first of
    them is no whole object, or no other follows.

    Raises:
        DataError: it cannot be read.
    """
    found = 0
    with lines_of(path) as lines:
        while line := lines.readline(_LONGEST_LINE):
            if not line.strip():
                continue
            try:
                whole = isinstance(json.loads(line), dict)
            except (ValueError, RecursionError):
                return False
            found += whole
            if not whole or found == 2:
                break
    return found == 2


def _codec(path: Path, encoding: str) -> str:
    if encoding.lower() not in (UTF8, "utf8"):
        return encoding
    with _unpacked(path) as file:
        start = file.read(4)
    found = (codec for mark, codec in BYTE_ORDER_MARKS.items() if start.startswith(mark))
    return next(found, "utf-8-sig")


def _unpacked(path: Path) -> IO[bytes]:
    if is_special(path):
        raise DataError(f"{path}: is a pipe or a device; name a file")
    if path.suffix.lower() == GZIP:
        return cast("IO[bytes]", gzip.open(path))
    return path.open("rb")


@contextmanager
def _decoded(path: Path, encoding: str) -> Iterator[None]:
    """What can be wrong with a text file, as one sentence each."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(
            f"{path}: there is no such table; is the data complete, and source.path right?"
        ) from None
    except UnicodeError as error:
        at = error.start if isinstance(error, UnicodeDecodeError) else None
        raise _wrong_encoding(path, encoding, at=at) from error
    except (EOFError, zlib.error, OSError) as error:
        reason = getattr(error, "strerror", None) or "it is truncated or no gzip file"
        raise DataError(f"{path}: cannot be read ({reason})") from None
