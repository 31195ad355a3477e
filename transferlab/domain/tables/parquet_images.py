"""Pictures inside Parquet files, written out as files with a table that names them."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from PIL import Image

from transferlab.domain.media.image import MAX_PIXELS, open_picture
from transferlab.errors import DataError, EnvironmentProblem, InputError

MEDIA = "media"
_BATCH_ROWS = 64
"""Rows in memory at once: their pictures are too."""
_ENDINGS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".gif",
            "TIFF": ".tif"}  # fmt: skip


def unpack(folder: Path, to: Path) -> dict[str, int]:
    """One .jsonl per split, and every distinct picture once.

    The split is what a file's name says before its first hyphen: ``train-00000-of-00007.parquet``.
    A picture column, ``{"bytes": ..., "path": ...}``, becomes the path of the file, relative to
    ``to``; other columns stay.

    Returns:
        Rows by table.

    Raises:
        InputError: there is no Parquet file, or a table to be written is there already.
        DataError: a file is no Parquet file, or bytes in it are no picture.
        EnvironmentProblem: the folder cannot be written.
    """
    parts: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("**/*.parquet")):
        parts.setdefault(path.stem.partition("-")[0], []).append(path)
    if not parts:
        raise InputError(f"{folder}: holds no .parquet file")
    for name in parts:
        if (to / f"{name}.jsonl").exists():
            raise InputError(f"{to / name}.jsonl: is there already; choose another --to")
    written = {}
    try:
        (to / MEDIA).mkdir(parents=True, exist_ok=True)
        for name, paths in parts.items():
            partial = to / f"{name}.jsonl.partial"
            with partial.open("w", encoding="utf-8") as table:
                written[f"{name}.jsonl"] = sum(_write(path, table, to) for path in paths)
            partial.rename(to / f"{name}.jsonl")
    except OSError as error:
        raise EnvironmentProblem(f"{to}: cannot be written ({error.strerror})") from None
    return written


def _write(path: Path, table: TextIO, to: Path) -> int:
    count = 0
    for count, row in enumerate(_rows(path), start=1):
        flattened = {
            key: flat(value, to, where=f"{path} row {count}") for key, value in row.items()
        }
        table.write(json.dumps(flattened, ensure_ascii=False, default=str) + "\n")
    return count


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                yield from batch.to_pylist()
    except pyarrow.ArrowException as error:
        raise DataError(f"{path}: is not a valid Parquet file ({type(error).__name__})") from error


def flat(value: Any, to: Path, *, where: str) -> Any:
    """A value in which bytes have become the paths of files, relative to ``to``.

    Raises:
        DataError: bytes are no picture.
    """
    if isinstance(value, Mapping) and set(value) == {"bytes", "path"}:
        content = value["bytes"]
        return value["path"] if content is None else _store(content, to, where=where)
    if isinstance(value, bytes):
        return _store(value, to, where=where)
    if isinstance(value, list):
        return [flat(one, to, where=where) for one in value]
    return value


def _store(content: bytes, to: Path, *, where: str) -> str:
    """The path of a picture, which has the name of its own digest and so is kept once."""
    try:
        with open_picture(io.BytesIO(content)) as image:
            ending = _ENDINGS.get(image.format or "")
    except Image.DecompressionBombError:
        raise DataError(
            f"{where}: holds a picture of more than {MAX_PIXELS:,} pixels; make it smaller first"
        ) from None
    except (OSError, SyntaxError, ValueError):  # of another kind, or damaged
        ending = None
    if ending is None:
        raise DataError(f"{where}: holds bytes that are no picture")
    relative = f"{MEDIA}/{hashlib.sha256(content).hexdigest()[:32]}{ending}"
    if not (to / relative).exists():
        # Its name promises its content, so half a picture must never have it.
        partial = to / f"{relative}.partial"
        partial.write_bytes(content)
        partial.rename(to / relative)
    return relative
