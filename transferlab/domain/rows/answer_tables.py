"""Where learners' answers come from: tables, one for all or one per learner, and their cells."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

from transferlab.config.interactions import InteractionsOptions, JoinSection
from transferlab.domain.base.file_tree import walk
from transferlab.domain.base.join_keys import as_number
from transferlab.domain.base.rows import WHERE, BadRow, Row
from transferlab.domain.base.template import check_columns
from transferlab.domain.rows.source import SourceContext
from transferlab.domain.tables.reader import TABLE_SUFFIXES, cell_text, stream_table
from transferlab.errors import DataError

RIGHT_WORDS = {
    **dict.fromkeys(("1", "1.0", "true", "right", "correct", "yes"), True),
    **dict.fromkeys(("0", "0.0", "false", "wrong", "incorrect", "no"), False),
}


def shuffled(names: Collection[str], *, seed: int) -> list[str]:
    """In an order that depends on the names and the seed alone."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}\x1f{name}".encode()).digest())


def join_key(section: JoinSection | None, written: str) -> str:
    """A key as the rows of a joined table are found by it; as written where none is joined."""
    key = written.strip()
    return as_number(key) if section is not None and section.normalise == "number" else key


def read_join(context: SourceContext, section: JoinSection, *, key: str) -> dict[str, Row]:
    """The rows of a joined table by their key, without where they stand; rows whose key is empty
    belong to nothing and are left out.

    Raises:
        InputError: it has no such column.
        DataError: it cannot be read, or two rows have one key.
    """
    path = context.path(section.path, key=f"options.{key}.path")
    rows: dict[str, Row] = {}
    for row in stream_table(path, encoding=section.encoding):
        where = row.pop(WHERE)
        if not rows:
            known = f"{context.entry.file}: source.options.{key}.column"
            check_columns([section.column], row, where=known)
        own = join_key(section, row.get(section.column, ""))
        if not own:
            continue
        if own in rows:
            raise DataError(f"{path.parent}: {where}: is the second with its key; keep one of them")
        rows[own] = row
    return rows


def stream_answers(
    context: SourceContext, options: InteractionsOptions
) -> Iterator[tuple[str, Row]]:
    """Every row of ``source.path`` that ``only`` lets through, with the learner whose table it is
    in; that is empty where one table holds all.

    Raises:
        DataError: a table cannot be read; where it is called as a learner is, it is not named.
    """
    for learner, row in _rows(context, options):
        if all(_said(row, column) in allowed for column, allowed in options.only.items()):
            yield learner, row


def learner_tables(context: SourceContext) -> list[Path]:
    """The tables of a folder of one per learner.

    Raises:
        DataError: there is no such folder, or no table in it.
    """
    folder = context.path(context.section.path)
    if not folder.is_dir():
        raise DataError(
            f"{folder}: is no folder of one table per learner; where one table holds all, name "
            "the column of the learner in source.options.learner"
        )
    tables = [path for path in walk(folder) if path.suffix.lower() in TABLE_SUFFIXES]
    if not tables:
        raise DataError(f"{folder}: holds no table; is the data complete?")
    return tables


def learner_of(table: Path) -> str:
    """The learner whom a table is called after."""
    return table.name.partition(".")[0]


def cell(row: Row, column: str) -> str:
    """A column of a row; or, by a dotted name, what a column that holds a JSON object has there,
    such as ``result.success`` of an xAPI statement.

    Raises:
        BadRow: the row lacks it.
    """
    if column in row:
        return row[column]
    first, *inner = column.split(".")
    try:
        found = json.loads(row[first])
        for name in inner:
            found = found[name]
    except (KeyError, TypeError, ValueError):
        raise BadRow(f"the column '{column}' is missing") from None
    return cell_text(found)


def seconds_of(written: str) -> float:
    """A time as a number by which answers are put in order.

    Raises:
        BadRow: it is neither a number nor an ISO date.
    """
    try:
        number = float(written)
    except ValueError:
        try:
            moment = datetime.fromisoformat(written)
        except ValueError:
            raise BadRow("its time is neither a number nor an ISO date") from None
        # Times without a zone are all of one place; which one does not matter for their order.
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    if not math.isfinite(number):
        raise BadRow("its time is neither a number nor an ISO date")
    return number


def _rows(context: SourceContext, options: InteractionsOptions) -> Iterator[tuple[str, Row]]:
    section = context.section
    if options.learner is not None:
        for row in stream_table(context.path(section.path), encoding=section.encoding):
            yield "", row
        return
    tables = learner_tables(context)
    for number, path in enumerate(tables, start=1):
        # The file is called as the learner is, so no message may name it.
        alias = f"table {number} of {len(tables)}"
        try:
            for row in stream_table(path, encoding=section.encoding):
                place = row[WHERE].removeprefix(path.name).strip()
                yield learner_of(path), row | {WHERE: f"{alias}, {place}"}
        except DataError as error:
            told = str(error).replace(str(path), alias).replace(path.name, alias)
            raise DataError(told) from None


def _said(row: Row, column: str) -> str:
    try:
        return cell(row, column)
    except BadRow:
        return ""
