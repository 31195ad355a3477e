"""All rows of a domain: its table, then its own code, then its transcripts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

from transferlab.config.domain import TranscriptSection
from transferlab.core.paths import safe_join
from transferlab.core.records import Quarantined
from transferlab.domain.base.disk_index import FirstOccurrences
from transferlab.domain.base.rows import WHERE, BadRow, Row, Unread
from transferlab.domain.base.template import check_columns, columns_of
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.privacy.guard import RESERVED, Guard, media_columns
from transferlab.domain.sources.chat import stream_chat
from transferlab.domain.sources.files import list_files
from transferlab.domain.sources.row_hook import transformed
from transferlab.domain.sources.table import stream_table
from transferlab.domain.sources.transcript import CUE_COLUMNS, explode
from transferlab.domain.sources.video_files import list_video_files
from transferlab.domain.sources.webdataset import stream_shards
from transferlab.errors import DataError

_TABLES = ("table", "generated", "webdataset", "huggingface")
"""Kinds whose rows are read one after another."""
PART = "part"
"""The column that says which of ``source.parts`` a row comes from."""


class RowSource:
    """The rows of a domain, as often as they are wanted.

    They are read anew each time, so that they need not fit into memory; only lists of films and
    files are kept.
    """

    def __init__(
        self, entry: DomainEntry, root: Path, *, guard: Guard | None = None, kept: bool = False
    ) -> None:
        """
        Args:
            entry: the domain.
            root: the folder of its rows.
            guard: removes what identifies somebody; None leaves the rows as they are.
            kept: read once and keep them in memory.

        Raises:
            DataError: the source cannot be read.
            InputError: domain.yaml names an element or a column that does not exist.
        """
        self._entry, self._root = entry, root
        self._guard = guard or Guard(entry.config, None, file=entry.file)
        self._source = _source_of(entry, root, self._guard)
        self._items: list[Row | Unread] | None = None
        if kept:
            self._items = list(self._as_read())

    def __iter__(self) -> Iterator[Row | Quarantined]:
        """Rows ready to be asked about, and those that cannot be.

        Raises:
            DataError: the source cannot be read.
        """
        for row in _with_unique_ids(self._entry, self._as_read()):
            if isinstance(row, Unread):
                yield Quarantined(domain=self._entry.name, where=row.where, reason=row.reason)
            elif (transcript := self._entry.config.source.transcript) is None:
                yield self._guard.scrubbed(row)
            else:
                # Scrubbed last: what was said is a text too.
                for one in _with_cues(self._entry, row, transcript, self._root):
                    yield one if isinstance(one, Quarantined) else self._guard.scrubbed(one)

    def columns(self) -> set[str]:
        """Those that any row has, cues left out.

        Raises:
            DataError: the source cannot be read.
        """
        if self._items is None and self._entry.rows_file is None:
            return self._source.columns()
        return _columns(self._as_read())

    def _as_read(self) -> Iterable[Row | Unread]:
        if self._items is not None:
            return self._items
        if self._entry.rows_file is not None:
            return transformed(self._entry.rows_file, self._source, self._root)
        return self._source


def read_rows(
    entry: DomainEntry, root: Path, *, guard: Guard | None = None
) -> tuple[list[Row], list[Quarantined]]:
    """Rows ready to be asked about, and those that could not be read.

    ``guard`` removes what identifies somebody; None reads the rows as they are.

    Raises:
        DataError: the table or the domain's own code cannot be used.
        InputError: source.transcript, or id, names a column that does not exist.
    """
    source = RowSource(entry, root, guard=guard, kept=True)
    check_row_columns(entry, source.columns())
    rows: list[Row] = []
    bad: list[Quarantined] = []
    for row in source:
        if isinstance(row, Quarantined):
            bad.append(row)
        else:
            rows.append(row)
    return rows, bad


def check_row_columns(entry: DomainEntry, known: set[str]) -> None:
    """Compare what rows are made and scrubbed by with the columns that there are.

    Raises:
        InputError: id, source.transcript or privacy.identifiers names one that does not exist.
    """
    known = known - RESERVED
    if not known:
        return  # no row at all, which is told elsewhere
    if entry.config.id is not None:
        check_columns([entry.config.id], known, where=f"{entry.file}: id")
    transcript = entry.config.source.transcript
    cues = set() if transcript is None else set(CUE_COLUMNS)
    identifiers = entry.config.privacy.identifiers
    check_columns(identifiers, known | cues, where=f"{entry.file}: privacy.identifiers")
    if transcript is None:
        return
    where = f"{entry.file}: source.transcript"
    path_columns = columns_of(transcript.path, where=f"{where}.path")
    check_columns(path_columns, known, where=f"{where}.path")
    if transcript.cue is not None:
        check_columns([transcript.cue], known, where=f"{where}.cue")


class _Read:
    """What a function reads, as often as it is wanted."""

    def __init__(self, read: Callable[[], Iterable[Row | Unread]]) -> None:
        self._read = read

    def __iter__(self) -> Iterator[Row | Unread]:
        return iter(self._read())

    def columns(self) -> set[str]:
        return _columns(self)


class _Source(Protocol):
    """The rows of a domain before anything is done to them."""

    def __iter__(self) -> Iterator[Row | Unread]: ...

    def columns(self) -> set[str]: ...


def _columns(items: Iterable[Row | Unread]) -> set[str]:
    return {column for one in items if not isinstance(one, Unread) for column in one}


def _source_of(entry: DomainEntry, root: Path, guard: Guard) -> _Source:
    source = entry.config.source
    if source.kind in _TABLES:
        return _Read(partial(_table_rows, entry, root, guard))
    path = _place(entry, root, source.path, key="path")
    if source.kind == "chat":
        return _Read(partial(stream_chat, path))
    if source.kind == "video":
        films = list_video_files(path, root)
        return _Read(lambda: films)
    if source.kind == "files":
        files = list_files(path, root, pattern=source.pattern)
        return _Read(lambda: files)
    from transferlab.domain.sources.dicom_files import DicomTree

    elements = None
    if guard.section.dicom:
        from transferlab.domain.privacy.dicom_elements import ElementGuard

        elements = partial(ElementGuard, guard, entry.config, file=entry.file)
    reports = _reports(entry, root)
    return DicomTree(path, root, source, reports, file=entry.file, guard=elements)


def _table_rows(entry: DomainEntry, root: Path, guard: Guard) -> Iterator[Row]:
    source = entry.config.source
    if source.kind == "webdataset":
        path = _place(entry, root, source.path, key="path")
        places = media_columns(entry.config) if guard.section.asked else None
        yield from stream_shards(path, root, pattern=source.pattern, places=places)
    elif source.kind == "huggingface":
        for table in sorted(root.glob("*.jsonl")):
            for row in stream_table(table):
                yield row | {PART: table.stem}
    elif not source.parts:
        path = _place(entry, root, source.path, key="path")
        yield from stream_table(path, encoding=source.encoding)
    for part, relative in source.parts.items():
        path = _place(entry, root, relative, key=f"parts.{part}")
        for row in stream_table(path, encoding=source.encoding):
            yield row | {PART: part}


def _reports(entry: DomainEntry, root: Path) -> Iterable[Row]:
    section = entry.config.source.reports
    if section is None:
        return []
    place = _place(entry, root, section.path, key="reports.path")
    return stream_table(place, encoding=section.encoding)


def _place(entry: DomainEntry, root: Path, relative: str, *, key: str) -> Path:
    try:
        return safe_join(root, relative)
    except ValueError as error:
        raise DataError(f"{entry.file}: source.{key} is {error}") from None


def _with_unique_ids(entry: DomainEntry, rows: Iterable[Row | Unread]) -> Iterator[Row | Unread]:
    """Rows whose id is their own, and those that use one again."""
    column = entry.config.id
    if column is None:
        yield from rows
        return
    places = FirstOccurrences()
    for row in rows:
        if isinstance(row, Unread):
            yield row
            continue
        own = row.get(column, "").strip()
        earlier = places.first(own, row[WHERE])
        if own and earlier == row[WHERE]:
            yield row
            continue
        reason = f"its id is that of {earlier}" if own else f"its id, column '{column}', is empty"
        yield Unread(row[WHERE], reason)


def _with_cues(
    entry: DomainEntry, row: Row, transcript: TranscriptSection, root: Path
) -> Iterator[Row | Quarantined]:
    try:
        yield from explode(row, transcript, root)
    except BadRow as error:
        yield Quarantined(domain=entry.name, where=row[WHERE], reason=str(error))
