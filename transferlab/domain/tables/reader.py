"""Rows out of CSV, TSV, JSON, JSONL and Parquet: plain text in named columns, nothing guessed."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from datetime import date, time
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import IO, Any

from transferlab.core.paths import is_special
from transferlab.domain.base.rows import WHERE, BadItem, Row
from transferlab.domain.privacy.guard import RESERVED
from transferlab.domain.tables.json_items import (
    NoItems,
    describe_json_error,
    parse_json,
    stream_items,
)
from transferlab.domain.tables.text_file import GZIP, UTF8, is_json_lines, lines_of
from transferlab.errors import DataError

DELIMITERS = {".csv": ",;\t", ".tsv": "\t"}
"""By ending. Office programs write semicolons, or tabs, into a .csv where the comma is the decimal
sign: the one that its header holds most often counts, the comma among equals."""
TABLE_SUFFIXES = (*DELIMITERS, ".json", ".jsonl", ".parquet")
KEY = "key"
"""The column that holds an item's name where a JSON file is an object of objects."""
_SEPARATOR_LINE = re.compile(r"sep=(.)")
_BATCH_ROWS = 1024


def rows_and_problems(items: Iterable[Row | BadItem]) -> tuple[list[Row], list[tuple[str, str]]]:
    """Rows, and pairs of where and why of what gives none."""
    rows: list[Row] = []
    bad: list[tuple[str, str]] = []
    for item in items:
        if isinstance(item, BadItem):
            bad.append((item.where, item.reason))
        else:
            rows.append(item)
    return rows, bad


def read_table(path: Path, *, encoding: str = UTF8) -> list[Row]:
    """All rows of ``stream_table``, at once."""
    return list(stream_table(path, encoding=encoding))


def stream_table(path: Path, *, encoding: str = UTF8) -> Iterator[Row]:
    """The rows, one after another; every value is text as written, so "NA" and "None" stay words.

    JSON and Parquet values that are no text become their JSON notation, null becomes "". A JSON
    file is a list of objects, or an object of objects, whose names become the column "key".

    Args:
        path: the table; its ending says what it is.
        encoding: of CSV and TSV; the others say it themselves.

    Raises:
        DataError: the file is missing, empty, in another encoding, malformed, or of another kind.
    """
    kind = Path(path.stem).suffix.lower() if path.suffix.lower() == GZIP else path.suffix.lower()
    if kind not in TABLE_SUFFIXES:
        raise DataError(
            f"{path}: a table must end with {', '.join(TABLE_SUFFIXES)}; text also packed ({GZIP})"
        )
    rows = _parquet(path) if kind == ".parquet" else _from_text(path, kind, encoding)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{path}: holds no rows; a domain needs at least one per split")
    yield first
    yield from rows


def _from_text(path: Path, kind: str, encoding: str) -> Iterator[Row]:
    if kind == ".json" and not is_json_lines(path):
        yield from _json(path)
    elif kind in (".json", ".jsonl"):
        with lines_of(path) as lines:
            yield from _jsonl(path, lines)
    else:
        # Line ends inside quoted cells stay as they are.
        with lines_of(path, encoding, newline="") as lines:
            yield from _csv(path, lines, DELIMITERS[kind])


def _delimiter(header: str, known: str) -> str:
    """The one of ``known`` that the header holds most often outside quotes; the first of equals."""
    outside = re.sub(r'"[^"]*"', "", header)
    return max(known, key=outside.count)


def _csv(path: Path, lines: IO[str], delimiters: str) -> Iterator[Row]:
    first, named_delimiter, before = next(lines, ""), None, 0
    if named := _SEPARATOR_LINE.fullmatch(first.strip()):  # as office programs write it
        named_delimiter, first, before = named[1], next(lines, ""), 1
    reader = csv.reader(
        chain([first], lines),
        delimiter=named_delimiter or _delimiter(first, delimiters),
        strict=True,
    )
    began = 1
    try:
        header = next(reader, [])
        _check_reserved(header, path)
        if len(set(header)) != len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise DataError(f"{path}: the header names the column '{twice}' twice")
        began = reader.line_num + 1
        for number, cells in enumerate(reader, start=2):
            where = _row_of(number, before + began)
            began = reader.line_num + 1
            if not cells:
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"{path} {where}: has {len(cells)} cells, "
                    f"the header has {len(header)}; is a quote or a delimiter missing?"
                )
            if cells == header and len(cells) > 1:
                raise DataError(
                    f"{path} {where}: is the header again; were two "
                    "tables put together? Remove that line"
                )
            yield dict(zip(header, cells, strict=True)) | {WHERE: f"{path.name} {where}"}
    except csv.Error as error:
        raise DataError(
            f"{path} line {before + began}: is not a valid row ({error}, seen in line "
            f"{before + reader.line_num}); "
            "is a quote opened there and not closed?"
        ) from None


def _row_of(number: int, line: int) -> str:
    """A row as a spreadsheet counts, the header being row 1, and its line as an editor does where
    that is another."""
    return f"row {number}" if number == line else f"row {number} (line {line})"


def _jsonl(path: Path, lines: IO[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            values = parse_json(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path} line {number}: is not JSON ({describe_json_error(error)})"
            ) from None
        if not isinstance(values, dict):
            raise DataError(f"{path} line {number}: is not a JSON object; write one per line")
        yield _as_row(values, path) | {WHERE: f"{path.name} line {number}"}


def stream_json(path: Path) -> Iterator[tuple[int, str | None, Any]]:
    """The items of a JSON list, or the values of an object: number from 1, name if any, content.

    Raises:
        DataError: it cannot be read, is not JSON, or is neither.
    """
    number = 0
    try:
        with lines_of(path) as text:
            for number, (name, item) in enumerate(stream_items(text), start=1):
                yield number, name, item
    except NoItems:
        raise DataError(f"{path}: must be a list of objects, or an object of objects") from None
    except (ValueError, RecursionError) as error:
        after = f" after item {number}" if number else ""
        raise DataError(f"{path}: is not JSON{after} ({describe_json_error(error)})") from None


def _json(path: Path) -> Iterator[Row]:
    for number, name, values in stream_json(path):
        if not isinstance(values, dict):
            if name is None:
                raise DataError(f"{path}: item {number} is not a JSON object")
            raise DataError(f"{path}: must be a list of objects, or an object of objects")
        if name is not None and KEY in values:
            raise DataError(
                f"{path} item {number}: has a '{KEY}', and its name becomes a column '{KEY}'; "
                "rename one of them"
            )
        own = values if name is None else {KEY: name} | values
        yield _as_row(own, path) | {WHERE: f"{path.name} item {number}"}


def _parquet(path: Path) -> Iterator[Row]:
    if is_special(path):
        raise DataError(f"{path}: is a pipe or a device; name a file")
    # Imported here: it takes half a second, and most tables are text.
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for values in batch.to_pylist():
                    number += 1
                    yield _as_row(values, path) | {WHERE: f"{path.name} row {number}"}
    except FileNotFoundError:
        raise DataError(
            f"{path}: there is no such table; is the data complete, and source.path right?"
        ) from None
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: is not a valid Parquet file ({type(error).__name__})") from error
    except TypeError:
        raise DataError(
            f"{path} row {number}: holds bytes; write the pictures out as files, and their paths "
            "into a column"
        ) from None


def _check_reserved(columns: Iterable[str], path: Path) -> None:
    for name in columns:
        if name in RESERVED:
            raise DataError(f"{path}: a column may not be called '{name}' here; rename it")


def _as_row(values: dict[str, Any], path: Path) -> Row:
    _check_reserved(map(str, values), path)
    row = {str(key): cell_text(value) for key, value in values.items()}
    if has_lone_surrogate("".join([*row, *row.values()])):
        raise DataError(f"{path}: a text of it holds half of a character (a lone surrogate)")
    return row


def has_lone_surrogate(text: str) -> bool:
    """Whether a text holds half of a character, as JSON can write it and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def cell_text(value: Any) -> str:
    """A value as text: what is no text in JSON notation, null as nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
