"""Rows that are looked up by a key, on disk, so that memory stays small."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from transferlab.core.files import machine_error, why
from transferlab.domain.base.join_keys import as_number
from transferlab.domain.base.rows import WHERE, Row
from transferlab.errors import DataError, EnvironmentProblem

_MEMORY_KB = 2_000


class DiskIndex:
    """A database in a file without a name: no other process can open it, and it goes with this one.

    SQLite puts it into the folder for temporary files, and there only what exceeds its memory.
    """

    def __init__(self, tables: str) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        with _reported():
            self._database.executescript(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE; "
                f"PRAGMA cache_size = -{_MEMORY_KB}; {tables}"
            )

    def execute(self, query: str, *given: Any) -> sqlite3.Cursor:
        """Run one statement.

        Raises:
            EnvironmentProblem: the disk is full, or the folder cannot be written.
        """
        with _reported():
            return self._database.execute(query, given)


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        number = machine_error(error)
        reason = error if number is None else why(number)
        raise EnvironmentProblem(
            "rows that do not fit into memory cannot be kept in the folder for temporary files "
            f"({reason}); make room, or name another folder with TMPDIR"
        ) from error


class FirstOccurrences:
    """Where every id came first."""

    def __init__(self) -> None:
        self._index = DiskIndex(
            "CREATE TABLE ids (id BLOB PRIMARY KEY, position TEXT) WITHOUT ROWID;"
        )

    def first(self, own: str, where: str) -> str:
        """Where an id came first: ``where`` itself, if it has not come before."""
        digest = hashlib.blake2b(own.encode(), digest_size=16).digest()
        added = self._index.execute("INSERT OR IGNORE INTO ids VALUES (?, ?)", digest, where)
        if added.rowcount:
            return where
        (found,) = self._index.execute("SELECT position FROM ids WHERE id = ?", digest)
        return str(found[0])


class Reports:
    """The rows of a table by the values of one of its columns."""

    def __init__(self, rows: Iterable[Row], column: str, *, as_numbers: bool = False) -> None:
        """Read them once; ``columns`` are then those that any of them has.

        Args:
            rows: of the table.
            column: that holds the key.
            as_numbers: compare keys by ``as_number``.

        Raises:
            DataError: with ``as_numbers``, two different keys are then one.
        """
        self._as_numbers = as_numbers
        self._written: dict[str, str] = {}
        self._index = DiskIndex(
            "CREATE TABLE reports (id INTEGER PRIMARY KEY, key TEXT, number TEXT, content TEXT, "
            "pictures INTEGER DEFAULT 0, aside INTEGER DEFAULT 0);"
        )
        self.columns: set[str] = set()
        for row in rows:
            self.columns |= row.keys() - {WHERE}
            written, content = row.get(column, "").strip(), json.dumps(row)
            query = "INSERT INTO reports (key, number, content) VALUES (?, ?, ?)"
            self._index.execute(query, self._key(written), as_number(written), content)
        self._index.execute("CREATE INDEX by_key ON reports (key)")
        self._index.execute("CREATE INDEX by_number ON reports (number)")
        self._written.clear()  # files may write the same keys in another way

    def _key(self, written: str) -> str:
        if not self._as_numbers:
            return written
        key = as_number(written)
        other = self._written.setdefault(key, written)
        if other != written:
            raise DataError(
                f"source.reports.normalise: '{other}' and '{written}' would be one key, and are "
                "perhaps those of two sites; make them differ, or join by another element"
            )
        return key

    def fits_as_number(self, key: str) -> bool:
        """Whether a key without a report has one when both are compared as numbers."""
        query = "SELECT 1 FROM reports WHERE number = ? LIMIT 1"
        return self._index.execute(query, as_number(key)).fetchone() is not None

    def matching(self, written: str) -> list[tuple[Row, int]]:
        """The rows of a key in their order, each with how many pictures it then has.

        Raises:
            DataError: as when the reports were read.
        """
        key = self._key(written)
        self._index.execute("UPDATE reports SET pictures = pictures + 1 WHERE key = ?", key)
        query = "SELECT content, pictures FROM reports WHERE key = ? ORDER BY id"
        found = self._index.execute(query, key)
        return [(json.loads(content), pictures) for content, pictures in found]

    def unmatched(self) -> Iterator[tuple[str, str]]:
        """Place and key of the rows that have no file, and of those without a key."""
        query = (
            "SELECT content, key FROM reports WHERE (pictures = 0 AND aside = 0) OR key = '' "
            "ORDER BY id"
        )
        for content, key in self._index.execute(query):
            yield json.loads(content)[WHERE], key

    def set_aside(self, written: str) -> None:
        """Note that the rows of a key have a file, of which no picture is used."""
        self._index.execute("UPDATE reports SET aside = 1 WHERE key = ?", self._key(written))

    def forget(self) -> None:
        """Begin again: no row has a file."""
        self._index.execute("UPDATE reports SET pictures = 0, aside = 0")
