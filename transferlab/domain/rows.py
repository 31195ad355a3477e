"""All rows of a domain: its table, then its own code, then its transcripts."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import ModuleType

from transferlab.core.records import Quarantined
from transferlab.domain.catalogue import DomainEntry
from transferlab.domain.chat import read_chat
from transferlab.domain.films import list_films
from transferlab.domain.places import inside
from transferlab.domain.privacy.guard import Guard
from transferlab.domain.table import WHERE, BadRow, Row, read_table
from transferlab.domain.template import check_columns, columns_of
from transferlab.domain.transcript import explode
from transferlab.domain.tree import list_files
from transferlab.errors import DataError, TransferlabError

PART = "part"
"""The column that says which of ``source.parts`` a row comes from."""


def read_rows(
    entry: DomainEntry, root: Path, *, guard: Guard | None = None
) -> tuple[list[Row], list[Quarantined]]:
    """Rows ready to be asked about, and those that could not be read.

    ``guard`` removes what identifies somebody; None reads the rows as they are.

    Raises:
        DataError: the table or the domain's own code cannot be used.
        InputError: source.transcript names a column that does not exist.
    """
    source = entry.config.source
    guard = guard or Guard(entry.config, None, file=entry.file)
    rows, unread = _source_rows(entry, root, guard)
    if entry.rows_file is not None:
        rows = _transformed(entry.rows_file, rows, root)
    if not rows:
        return [], unread
    rows, twice = _with_unique_ids(entry, rows)
    if source.transcript is None:
        return guard.scrubbed(rows), unread + twice
    where = f"{entry.file}: source.transcript"
    known = {column for row in rows for column in row}
    path_columns = columns_of(source.transcript.path, where=f"{where}.path")
    check_columns(path_columns, known, where=f"{where}.path")
    if source.transcript.cue is not None:
        check_columns([source.transcript.cue], known, where=f"{where}.cue")
    good, bad = _with_cues(entry, rows, root)
    return guard.scrubbed(good), unread + twice + bad


def _source_rows(
    entry: DomainEntry, root: Path, guard: Guard
) -> tuple[list[Row], list[Quarantined]]:
    """What the source itself says, and those of its items that cannot be read."""
    source = entry.config.source
    if source.parts:
        rows = [
            row | {PART: part}
            for part, path in source.parts.items()
            for row in read_table(_place(entry, root, path, key=f"parts.{part}"))
        ]
        return rows, []
    path = _place(entry, root, source.path, key="path")
    bad: list[tuple[str, str]] = []
    if source.kind == "chat":
        rows, bad = read_chat(path)
    elif source.kind == "video":
        rows = list_films(path, root)
    elif source.kind == "files":
        rows = list_files(path, root, pattern=source.pattern)
    elif source.kind == "dicom":
        from transferlab.domain.dicom_tree import read_dicom_tree

        reports = source.reports
        table = read_table(_place(entry, root, reports.path, key="reports.path")) if reports else []
        elements = None
        if guard.section.dicom:
            from transferlab.domain.privacy.elements import ElementGuard

            elements = partial(ElementGuard, guard, entry.config, file=entry.file)
        rows, bad = read_dicom_tree(path, root, source, table, file=entry.file, guard=elements)
    else:
        rows = read_table(path)
    name = entry.name
    return rows, [Quarantined(domain=name, where=where, reason=reason) for where, reason in bad]


def _place(entry: DomainEntry, root: Path, relative: str, *, key: str) -> Path:
    try:
        return inside(root, relative)
    except ValueError as error:
        raise DataError(f"{entry.file}: source.{key} is {error}") from None


def _with_unique_ids(entry: DomainEntry, rows: list[Row]) -> tuple[list[Row], list[Quarantined]]:
    """Rows whose id is their own, and those that use one again."""
    column = entry.config.id
    if column is None:
        return rows, []
    check_columns([column], {name for row in rows for name in row}, where=f"{entry.file}: id")
    first: dict[str, str] = {}
    good: list[Row] = []
    bad: list[Quarantined] = []
    for row in rows:
        own = row.get(column, "").strip()
        earlier = first.setdefault(own, row[WHERE])
        if own and earlier == row[WHERE]:
            good.append(row)
            continue
        reason = f"its id is that of {earlier}" if own else f"its id, column '{column}', is empty"
        bad.append(Quarantined(domain=entry.name, where=row[WHERE], reason=reason))
    return good, bad


def _with_cues(
    entry: DomainEntry, rows: Iterable[Row], root: Path
) -> tuple[list[Row], list[Quarantined]]:
    section = entry.config.source.transcript
    good: list[Row] = []
    bad: list[Quarantined] = []
    for row in rows:
        try:
            good += explode(row, section, root)
        except BadRow as error:
            bad.append(Quarantined(domain=entry.name, where=row[WHERE], reason=str(error)))
    return good, bad


def _transformed(file: Path, rows: list[Row], root: Path) -> list[Row]:
    """What the domain's own ``rows(rows, root)`` makes of the rows."""
    transform = _rows_function(file)
    try:
        changed = list(transform(rows, root))
    except TransferlabError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError, OSError) as error:
        line = error.__traceback__.tb_next.tb_lineno if error.__traceback__.tb_next else 0
        raise DataError(
            f"{file} line {line}: rows() failed with {type(error).__name__}; "
            "run with --debug to see why"
        ) from error
    if not changed:
        raise DataError(f"{file}: rows() returned no rows")
    for number, row in enumerate(changed, start=1):
        odd = [key for key, value in row.items() if not isinstance(value, str)]
        if odd:
            raise DataError(f"{file}: rows() gave column '{odd[0]}' a value that is not text")
        row.setdefault(WHERE, f"{file.name} row {number}")
    return changed


def _rows_function(file: Path) -> Callable[[list[Row], Path], Iterable[Row]]:
    module = _module(file)
    transform = getattr(module, "rows", None)
    if not callable(transform):
        raise DataError(f"{file}: defines no function rows(rows, root)")
    return transform


def _module(file: Path) -> ModuleType:
    """The domain's own code, which runs only for a domain that is being loaded."""
    name = f"transferlab_domain_{file.parent.name.replace('-', '_')}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise DataError(f"{file}: is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError) as error:
        raise DataError(f"{file}: cannot be imported ({error})") from error
    return module
