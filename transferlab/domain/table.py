"""Rows out of a CSV, TSV or JSONL file: plain text in named columns, nothing guessed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transferlab.errors import DataError

Row = dict[str, str]
"""A row's columns, and under ``WHERE`` the file and row that it came from."""

WHERE = "_where"
"""Reserved column: "metadata.csv row 3". It travels with a row, so that messages can name it."""


class BadRow(Exception):
    """Why one row cannot be used; the text repeats nothing of what the row holds."""


DELIMITERS = {".csv": ",", ".tsv": "\t"}


def read_table(path: Path) -> list[Row]:
    """All rows; every value is text as written, so "NA" and "None" stay words.

    JSONL values that are no text become their JSON notation, null becomes "".

    Raises:
        DataError: the file is missing, empty, not UTF-8, malformed, or of another kind.
    """
    kind = path.suffix.lower()
    if kind not in (*DELIMITERS, ".jsonl"):
        raise DataError(f"{path}: a table must end with .csv, .tsv or .jsonl")
    try:
        # As bytes, so that line ends inside quoted cells stay as they are.
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(
            f"{path}: there is no such table; is the data complete, and source.path right?"
        ) from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    rows = list(_jsonl(path, text) if kind == ".jsonl" else _csv(path, text))
    if not rows:
        raise DataError(f"{path}: holds no rows; a domain needs at least one per split")
    return rows


def _csv(path: Path, text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[path.suffix.lower()])
    try:
        header = next(reader, [])
        if len(set(header)) != len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise DataError(f"{path}: the header names the column '{twice}' twice")
        for number, cells in enumerate((cells for cells in reader if cells), start=1):
            if len(cells) != len(header):
                raise DataError(
                    f"{path} row {number} (line {reader.line_num}): has {len(cells)} cells, "
                    f"the header has {len(header)}; is a quote or a delimiter missing?"
                )
            yield dict(zip(header, cells, strict=True)) | {WHERE: f"{path.name} row {number}"}
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num}: is not a valid table ({error})") from None


def _jsonl(path: Path, text: str) -> Iterator[Row]:
    lines = [(n, line) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
    for number, line in lines:
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{path} line {number}: is not JSON ({error.msg})") from None
        if not isinstance(values, dict):
            raise DataError(f"{path} line {number}: is not a JSON object; write one per line")
        row = {str(key): _as_text(value) for key, value in values.items()}
        yield row | {WHERE: f"{path.name} line {number}"}


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
