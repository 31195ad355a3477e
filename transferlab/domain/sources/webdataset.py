"""WebDataset shards: one row per sample, read one after another; media stay in their tar files."""

from __future__ import annotations

import tarfile
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from transferlab.core.lazy import require
from transferlab.domain.base.archive_members import SHARD, forget_members
from transferlab.domain.base.file_tree import walk
from transferlab.domain.base.rows import WHERE, Row
from transferlab.domain.privacy.guard import media_columns
from transferlab.domain.rows.source import Source
from transferlab.domain.tables.json_items import describe_json_error, parse_json
from transferlab.domain.tables.reader import cell_text, has_lone_surrogate
from transferlab.errors import DataError

TEXTS = ("txt", "text", "cls", "cls2", "caption", "id", "transcript")
"""Endings of members that are text; .json is read too, and others are media."""
_OWN = ("__key__", "__url__", "__local_path__")


class WebDatasetSource(Source):
    """Samples of tar shards."""

    name = "webdataset"
    file_columns = frozenset({"key"})

    def __iter__(self) -> Iterator[Row]:
        context, section = self.context, self.context.section
        private = context.guard.section.active
        return stream_shards(
            context.path(section.path),
            context.root,
            pattern=section.pattern,
            file_columns=media_columns(context.entry.config) if private else None,
        )


def stream_shards(
    path: Path, root: Path, *, pattern: str, file_columns: Collection[str] | None = None
) -> Iterator[Row]:
    """The samples of all shards, in the order of their paths.

    Columns: ``key``; the values of a .json member; of text members their text, under their ending;
    of other members their path, under their ending (``jpg``, ``seg.png``), for ``media``.

    Args:
        path: a shard, or a folder of them.
        root: the domain's folder.
        pattern: which names count.
        file_columns: where file names must not be seen, the columns by which media are found: other
            columns of file names are left out, and messages name shards by their number. None: all.

    Raises:
        DataError: there is no shard, or one is damaged or packed.
        MissingExtra: the library is not installed.
    """
    webdataset = require("webdataset", extra="webdataset", purpose="source.kind: webdataset")
    shards = _shards(path, pattern, hidden=file_columns is not None)
    for number, shard in enumerate(shards, start=1):
        where = f"shard {number} of {len(shards)}"
        named = str(shard) if file_columns is None else f"{path}: {where} in the order of paths"
        relative = shard.relative_to(root.resolve()).as_posix()
        # "file:" keeps the library from taking a name for an address or a command.
        samples = webdataset.WebDataset(f"file:{shard}", shardshuffle=False, empty_check=False)
        count = 0
        try:
            for count, sample in enumerate(samples, start=1):
                found_at = f"{where}, sample {count}"
                yield _row(sample, relative, found_at, file_columns) | {WHERE: found_at}
        except (tarfile.TarError, EOFError, ValueError, OSError) as error:
            raise DataError(
                f"{named}: is damaged, or no WebDataset shard, after sample {count} "
                f"({type(error).__name__}); copy it again"
            ) from error
        if not count:
            raise DataError(f"{named}: holds no sample")
        forget_members()  # rows show members of their own shard alone


def _shards(path: Path, pattern: str, *, hidden: bool) -> list[Path]:
    if path.is_file():
        found = [path.resolve()]
    elif path.is_dir():
        found = [one for one in walk(path) if fnmatchcase(one.name, pattern)]
    else:
        raise DataError(f"{path}: there is no such shard or folder; is source.path right?")
    packed = [one for one in found if one.suffix.lower() in (".gz", ".tgz", ".xz", ".bz2", ".zst")]
    if packed:
        named = f"{path}: a shard in it" if hidden else f"{packed[0]}:"
        raise DataError(f"{named} is packed, so no sample in it can be reached; unpack it")
    shards = [one for one in found if one.suffix.lower() == SHARD]
    if not shards:
        raise DataError(f"{path}: holds no {SHARD} shard whose name fits '{pattern}'")
    return shards


def _row(
    sample: Mapping[str, Any], shard: str, where: str, file_columns: Collection[str] | None
) -> Row:
    key = str(sample["__key__"])
    row: Row = {}
    values: Row = {}
    for ending, content in sample.items():
        if ending in _OWN:
            continue
        if ending.lower() == "json":
            values = _values(content, where)
        elif ending.lower() in TEXTS:
            row[ending] = _text(content, where)
        elif file_columns is None or ending in file_columns:
            row[ending] = f"{shard}/{key}.{ending}"
    row["key"] = key
    for name, value in values.items():
        if row.setdefault(name, value) != value:
            raise DataError(
                f"{where}: its .json has '{name}', and so have the names of its members; rename it"
            )
    return row


def _values(content: bytes, where: str) -> Row:
    try:
        values = parse_json(_text(content, where))
    except (ValueError, RecursionError) as error:
        why = describe_json_error(error)
        raise DataError(f"{where}: its .json is not JSON ({why})") from None
    if not isinstance(values, dict):
        raise DataError(f"{where}: its .json is not an object")
    row = {str(key): cell_text(value) for key, value in values.items()}
    if has_lone_surrogate("".join([*row, *row.values()])):
        raise DataError(f"{where}: a text of it holds half of a character (a lone surrogate)")
    return row


def _text(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise DataError(f"{where}: a text of it is not UTF-8") from None
