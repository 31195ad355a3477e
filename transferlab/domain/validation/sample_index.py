"""What a check remembers of samples and media: a database on disk, so that memory stays small."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transferlab.config.domain import SplitsSection
from transferlab.core.records import SPLITS, Sample, SplitName
from transferlab.domain.media.probe_cache import FileProbe
from transferlab.domain.samples.builder import BuiltSample
from transferlab.domain.splits.group_split import assign_groups, shuffle_key
from transferlab.domain.validation.image_duplicates import Entry, band
from transferlab.errors import EnvironmentProblem

_TABLES = """
CREATE TABLE media (
    id INTEGER PRIMARY KEY, key BLOB UNIQUE, reason TEXT, seconds REAL, hash BLOB, digest BLOB,
    brightness REAL, mask INTEGER, note TEXT, instance BLOB);
CREATE TABLE samples (
    id INTEGER PRIMARY KEY, domain INTEGER, task TEXT, owner TEXT, stratum TEXT, split INTEGER,
    position TEXT, question BLOB, answer BLOB, label TEXT, text INTEGER);
CREATE TABLE persons (sample INTEGER, key BLOB);
CREATE TABLE medium_persons (medium INTEGER, key BLOB);
CREATE TABLE searched (key BLOB PRIMARY KEY);
CREATE TABLE shown (sample INTEGER, medium INTEGER);
CREATE TABLE texts (id INTEGER PRIMARY KEY, digest BLOB UNIQUE, pieces BLOB);
CREATE TABLE bands (value INTEGER, text INTEGER);
CREATE TABLE owners (owner TEXT, stratum TEXT, first INTEGER);
CREATE TABLE dealt (owner TEXT PRIMARY KEY, split INTEGER);
CREATE TABLE pictures (id INTEGER PRIMARY KEY, hash BLOB, class INTEGER, sample INTEGER);
"""
_INDEXES = """
CREATE INDEX IF NOT EXISTS by_medium ON shown (medium);
CREATE INDEX IF NOT EXISTS by_question ON samples (domain, question);
CREATE INDEX IF NOT EXISTS by_owner ON samples (domain, owner);
CREATE INDEX IF NOT EXISTS by_text ON samples (text);
CREATE INDEX IF NOT EXISTS by_band ON bands (value);
"""
_MEMORY_KB = 2_000
"""Of the database's pages, and of what it sorts at once; the rest is on disk."""


class SampleIndex:
    """Samples and media of the domains of one check, on disk; no file name and no text is kept.

    Digests are made with a key that is never written, so nobody who finds the file can tell by
    trying which names or texts went into it.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self.domains: list[str] = []
        self._secret = secrets.token_bytes(32)

    def add_domain(self, name: str) -> int:
        """Its number, by which the ledger knows it."""
        self.domains.append(name)
        return len(self.domains) - 1

    def get(self, key: str) -> FileProbe | None:
        """What is known about a file; None where it has not been looked at."""
        found = self.database.execute(
            "SELECT reason, seconds, hash, digest, mask, note, brightness FROM media WHERE key = ?",
            (self._digest(key),),
        ).fetchone()
        if found is None:
            return None
        reason, seconds, picture_hash, digest, mask, note, brightness = found
        return FileProbe(
            reason=reason,
            length_seconds=seconds,
            picture_hash=picture_hash,
            brightness=brightness,
            fingerprint=digest.hex() if digest else "",
            mask_text=bool(mask),
            note=note,
        )

    def put(self, key: str, probe: FileProbe) -> None:
        """Keep what was found out about a file."""
        added = self.database.execute(
            "INSERT INTO media (key, reason, seconds, hash, digest, mask, note, instance, "
            "brightness) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._digest(key),
                probe.reason,
                probe.length_seconds,
                probe.picture_hash,
                bytes.fromhex(probe.fingerprint),
                probe.mask_text,
                probe.note,
                self._digest(probe.instance) if probe.instance else None,
                probe.brightness,
            ),
        )
        self._name("medium_persons", added.lastrowid, probe.persons)

    def is_first_search(self, key: str) -> bool:
        """Whether this is asked of a file for the first time."""
        added = self.database.execute(
            "INSERT OR IGNORE INTO searched VALUES (?)", (self._digest(key),)
        )
        return added.rowcount == 1

    def add(
        self,
        domain: int,
        built: BuiltSample,
        *,
        label: str | None,
        media_keys: Iterable[str],
        persons: Iterable[str] = (),
    ) -> None:
        """Keep a sample.

        Args:
            domain: its number.
            asked: the sample and its row.
            label: its class, where it has one.
            media_keys: of its media, as ``put`` knows them.
            persons: whom its row says it is of.
        """
        # Imported here: it brings scipy, and nothing else of a check needs it.
        from transferlab.domain.validation.text_duplicates import sketch

        sample = built.sample
        media = [self._medium(key) for key in media_keys]
        drawn = sketch(built.own_text, key=self._secret)
        text = None if drawn is None else self._text(*drawn)
        added = self.database.execute(
            "INSERT INTO samples (domain, task, owner, stratum, split, position, question, answer, "
            "label, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                domain,
                sample.task,
                sample.group,
                built.stratum,
                None if built.split is None else SPLITS.index(built.split),
                built.where,
                self._question(sample, [digest for _, digest in media]),
                self._digest(sample.answer),
                label,
                text,
            ),
        )
        shown = [(added.lastrowid, medium) for medium, _ in media]
        self.database.executemany("INSERT INTO shown VALUES (?, ?)", shown)
        self._name("persons", added.lastrowid, persons)

    def samples(self, domain: int) -> int:
        """How many a domain has."""
        return int(self.one("SELECT count(*) FROM samples WHERE domain = ?", domain))

    def deal(self, domain: int, section: SplitsSection) -> bool:
        """Put every group of a domain on the split that its share says.

        Returns:
            Whether every split got a group; if not, nothing was done.
        """
        self._count_owners(domain)
        self.database.create_function("shuffled", 2, shuffle_key, deterministic=True)
        order = self.database.execute(
            "SELECT owner FROM owners ORDER BY shuffled(stratum, ?), shuffled(owner, ?)",
            (section.seed, section.seed),
        )
        reached: set[SplitName] = set()
        self.database.execute("DELETE FROM dealt")
        for owner, split in assign_groups((owner for (owner,) in order), section):
            self.database.execute("INSERT INTO dealt VALUES (?, ?)", (owner, SPLITS.index(split)))
            reached.add(split)
        if len(reached) == len(SPLITS):
            self.database.execute(
                "UPDATE samples SET split = (SELECT split FROM dealt WHERE dealt.owner = "
                "samples.owner) WHERE domain = ?",
                (domain,),
            )
        return len(reached) == len(SPLITS)

    def strata(self, domain: int) -> dict[str, str]:
        """The commonest stratum of each group."""
        self._count_owners(domain)
        return dict(self.database.execute("SELECT owner, stratum FROM owners"))

    def first_rows(self, domain: int) -> dict[str, str]:
        """File and row of a sample of each group."""
        return dict(
            self.database.execute(
                "SELECT owner, position FROM (SELECT owner, position, min(id) FROM samples "
                "WHERE domain = ? GROUP BY owner ORDER BY min(id))",
                (domain,),
            )
        )

    def assign(self, domain: int, splits: Mapping[str, SplitName]) -> None:
        """Put groups on splits that were found elsewhere."""
        self.database.executemany(
            "UPDATE samples SET split = ? WHERE domain = ? AND owner = ?",
            ((SPLITS.index(split), domain, owner) for owner, split in splits.items()),
        )

    def gather_pictures(self, within: str) -> None:
        """Put every hash aside once per domain and split, for ``pictures_by_band``.

        Args:
            within: the condition of a query by which samples are meant.
        """
        self.database.create_function("band", 2, band, deterministic=True)
        self.database.execute("DELETE FROM pictures")
        self.database.execute(
            "INSERT INTO pictures (hash, class, sample) SELECT media.hash, "
            f"{len(SPLITS)} * samples.domain + samples.split, min(samples.id) FROM samples "
            "JOIN shown ON shown.sample = samples.id JOIN media ON media.id = shown.medium "
            f"WHERE {within} AND media.hash IS NOT NULL "
            "GROUP BY media.hash, samples.domain, samples.split ORDER BY min(samples.id)"
        )

    def pictures_by_band(self, number: int) -> Iterator[Entry]:
        """The gathered hashes, with class and number, in the order of one of their bands."""
        query = "SELECT band(hash, ?) AS value, hash, class, id FROM pictures ORDER BY value"
        return self.rows(query, number)

    def picture(self, number: int) -> tuple[int, int]:
        """The class of a gathered hash, and its first sample."""
        (found,) = self.rows("SELECT class, sample FROM pictures WHERE id = ?", number)
        return found

    def index(self) -> None:
        """Make searching quick, once everything is in it."""
        self.database.executescript(f"{_INDEXES} BEGIN;")

    def where(self, sample: int) -> str:
        """File and row of a sample."""
        return str(self.one("SELECT position FROM samples WHERE id = ?", sample))

    def rows(self, query: str, *given: Any) -> Iterator[tuple[Any, ...]]:
        """What a query finds, row by row."""
        return iter(self.database.execute(query, given))

    def one(self, query: str, *given: Any) -> Any:
        """The one value that a query finds."""
        return self.database.execute(query, given).fetchone()[0]

    def _count_owners(self, domain: int) -> None:
        """Every group with its commonest stratum, the alphabetically first of equals."""
        self.database.execute("DELETE FROM owners")
        self.database.execute(
            "INSERT INTO owners SELECT owner, stratum, min(position) FROM ("
            "SELECT owner, stratum, row_number() OVER (PARTITION BY owner ORDER BY count(*) DESC, "
            "stratum) AS position FROM samples WHERE domain = ? GROUP BY owner, stratum) "
            "WHERE position = 1 GROUP BY owner",
            (domain,),
        )

    def _medium(self, key: str) -> tuple[int, bytes]:
        found = self.database.execute(
            "SELECT id, digest FROM media WHERE key = ?", (self._digest(key),)
        ).fetchone()
        return int(found[0]), bytes(found[1])

    def _text(self, digest: bytes, pieces: bytes, bands: Iterable[int]) -> int:
        known = self.database.execute("SELECT id FROM texts WHERE digest = ?", (digest,)).fetchone()
        if known is not None:
            return int(known[0])
        added = self.database.execute(
            "INSERT INTO texts (digest, pieces) VALUES (?, ?)", (digest, pieces)
        ).lastrowid
        rows = [(band, added) for band in bands]
        self.database.executemany("INSERT INTO bands VALUES (?, ?)", rows)
        return int(added or 0)

    def _name(self, table: str, of: int | None, persons: Iterable[str]) -> None:
        """Keep digests of persons."""
        rows = [(of, self._digest(one)) for one in persons]
        self.database.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)

    def _digest(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode(), digest_size=16, key=self._secret).digest()

    def _question(self, sample: Sample, media: Iterable[bytes]) -> bytes:
        """What is the same for two samples of one task, the same media and the same prompt."""
        spans = [f"{ref.start_seconds}-{ref.end_seconds}" for ref in sample.media]
        shown = [*(one.hex() for one in media), *spans]
        return self._digest(json.dumps([sample.task, *shown, sample.full_prompt]))


@contextmanager
def open_sample_index() -> Iterator[SampleIndex]:
    """An empty ledger in the folder for temporary files, which goes with the block.

    Raises:
        EnvironmentProblem: the folder cannot be written, or its disk is full.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="transferlab-") as folder:
            database = sqlite3.connect(Path(folder) / "check.db", isolation_level=None)
            try:
                database.executescript(
                    "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; "
                    f"PRAGMA temp_store = FILE; PRAGMA cache_size = -{_MEMORY_KB}; {_TABLES} BEGIN;"
                )
                yield SampleIndex(database)
            finally:
                database.close()
    except sqlite3.OperationalError as error:
        raise EnvironmentProblem(
            f"{tempfile.gettempdir()}: a check cannot keep its notes there ({error}); make room, "
            "or name another folder with TMPDIR"
        ) from error
