"""All rows of a domain: its table, then its own code, then its transcripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from transferlab.config.source import TranscriptSection
from transferlab.core.records import Quarantined
from transferlab.domain.base.disk_index import FirstOccurrences
from transferlab.domain.base.rows import WHERE, BadItem, BadRow, Row
from transferlab.domain.base.template import check_columns, columns_of
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.privacy.guard import RESERVED
from transferlab.domain.rows.media_identifiers import note_identifiers
from transferlab.domain.rows.row_hook import apply_row_hook
from transferlab.domain.rows.source import Source, columns_of_rows
from transferlab.domain.rows.transcript import CUE_COLUMNS, explode


class RowSource:
    """The rows of a domain, as often as they are wanted.

    They are read anew each time, so that they need not fit into memory; only lists of films and
    files are kept.
    """

    def __init__(self, source: Source, *, in_memory: bool = False) -> None:
        """
        Args:
            source: of the domain.
            in_memory: read it once and keep the rows in memory.

        Raises:
            DataError: the source cannot be read.
        """
        self._context = source.context
        self._entry, self._guard = self._context.entry, self._context.guard
        self._source = source
        self._note_identifiers = note_identifiers(self._context)
        self._items: list[Row | BadItem] | None = None
        if in_memory:
            self._items = list(self._as_read())

    def __iter__(self) -> Iterator[Row | Quarantined]:
        """Rows ready to be asked about, and those that cannot be.

        Raises:
            DataError: the source cannot be read.
        """
        for row in _with_unique_ids(self._entry, self._as_read()):
            if isinstance(row, BadItem):
                yield Quarantined(domain=self._entry.name, where=row.where, reason=row.reason)
            elif (transcript := self._entry.config.source.transcript) is None:
                yield self._guard.scrub(self._note_identifiers(row))
            else:
                # Scrubbed last: what was said is a text too.
                noted = self._note_identifiers(row)
                for one in _with_cues(self._entry, noted, transcript, self._context.root):
                    yield one if isinstance(one, Quarantined) else self._guard.scrub(one)

    def columns(self) -> set[str]:
        """Those that any row has, cues left out.

        Raises:
            DataError: the source cannot be read.
        """
        if self._items is None and self._entry.rows_file is None:
            return self._source.columns()
        return columns_of_rows(self._as_read())

    def _as_read(self) -> Iterable[Row | BadItem]:
        if self._items is not None:
            return self._items
        if self._entry.rows_file is not None:
            return apply_row_hook(self._entry, self._source, self._context.root)
        return self._source


def read_rows(source: Source) -> tuple[list[Row], list[Quarantined]]:
    """Rows ready to be asked about, and those that could not be read.

    Raises:
        DataError: the table or the domain's own code cannot be used.
        InputError: source.transcript, or id, names a column that does not exist.
    """
    rows_of_source = RowSource(source, in_memory=True)
    check_row_columns(source.context.entry, rows_of_source.columns())
    rows: list[Row] = []
    bad: list[Quarantined] = []
    for row in rows_of_source:
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


def _with_unique_ids(entry: DomainEntry, rows: Iterable[Row | BadItem]) -> Iterator[Row | BadItem]:
    """Rows whose id is their own, and those that use one again."""
    column = entry.config.id
    if column is None:
        yield from rows
        return
    ids = FirstOccurrences()
    for row in rows:
        if isinstance(row, BadItem):
            yield row
            continue
        own = row.get(column, "").strip()
        earlier = ids.first(own, row[WHERE])
        if own and earlier == row[WHERE]:
            yield row
            continue
        reason = f"its id is that of {earlier}" if own else f"its id, column '{column}', is empty"
        yield BadItem(row[WHERE], reason)


def _with_cues(
    entry: DomainEntry, row: Row, transcript: TranscriptSection, root: Path
) -> Iterator[Row | Quarantined]:
    try:
        yield from explode(row, transcript, root)
    except BadRow as error:
        yield Quarantined(domain=entry.name, where=row[WHERE], reason=str(error))
