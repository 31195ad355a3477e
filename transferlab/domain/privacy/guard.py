"""What one domain's ``privacy:`` section asks, done to its rows and ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from transferlab.config.domain import DomainConfig
from transferlab.domain.base.rows import (
    HISTORY,
    LISTED,
    TURNS,
    WHERE,
    Row,
    turns_from_json,
    turns_to_json,
)
from transferlab.domain.base.template import columns_of
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.data_root import data_folder
from transferlab.domain.privacy.ids import salted_id
from transferlab.domain.privacy.key import PrivacyKey, read_key
from transferlab.domain.privacy.known_identifiers import Identifiers
from transferlab.errors import InputError

KNOWN = "_known"
"""Reserved column: the ``Identifiers`` that the row's own file states, as JSON."""
RESERVED = frozenset([HISTORY, KNOWN, LISTED, TURNS, WHERE])
"""Columns that domain.yaml cannot name."""


class Guard:
    """Keeps what identifies somebody inside the process; an open one where nothing is asked."""

    def __init__(
        self,
        config: DomainConfig,
        key: PrivacyKey | None,
        *,
        file: Path,
        file_columns: Collection[str] = (),
    ) -> None:
        """Args:
            config: the domain's.
            key: None where the domain asks for no privacy.
            file: its domain.yaml, for messages.
            file_columns: those of its source's columns that hold file names.

        Raises:
            InputError: a prompt, answer or attribute shows a file name, or labels are not listed.
            MissingExtra: privacy.text is asked and Presidio is not installed.
        """
        self._config, self._key, self._file = config, key, file
        self.section = config.privacy
        self.removed: Counter[str] = Counter()
        """How often something was removed from texts, by kind."""
        self._scrubber = None
        if key is not None:
            _refuse_file_names(config, file, file_columns)
        if self.section.text is not None:
            _refuse_open_labels(config, file)
            from transferlab.domain.privacy.text_scrubber import Scrubber

            self._scrubber = Scrubber(self.section.text_model)
        self._shown = {column for _, column in shown_columns(config)}
        self._labels = {one for task in config.tasks.values() for one in task.choices or ()}

    @property
    def key(self) -> PrivacyKey | None:
        return self._key

    def id(self, parts: Iterable[str]) -> str:
        """The id of whatever ``parts`` identify: keyed, where the domain asks for privacy."""
        return salted_id(self._config.name, parts, key=self._key)

    def stratum(self, value: str) -> str:
        """What is kept of the value by which a group is dealt out; nothing is kept of ""."""
        return value if self._key is None or not value else self.id(["stratum", value])

    def scrub(self, row: Row) -> Row:
        """The row with identifiers removed from every column that a sample shows."""
        if self._scrubber is None:
            return row
        shown = self._shown
        known = Identifiers.from_json(row[KNOWN]) if row.get(KNOWN) else Identifiers()
        for column in self.section.identifiers:
            known += identifiers_in(row.get(column, ""))
        # Whole: a lecture or a folder may be called by words that its texts are full of.
        own = (self._config.group, self._config.id)
        known += Identifiers(
            values=tuple(row.get(column, "") for column in own if column and column not in shown)
        )
        clean = dict(row)
        for column in shown & row.keys():
            if row[column] in self._labels:
                continue  # one of a set that the user has listed
            clean[column] = self._scrubbed(row[column], known)
        if TURNS in row:
            said = turns_from_json(row[TURNS])
            clean[TURNS] = turns_to_json(
                [replace(turn, text=self._scrubbed(turn.text, known)) for turn in said]
            )
        return clean

    def _scrubbed(self, text: str, known: Identifiers) -> str:
        if self._scrubber is None or not text:
            return text
        clean, counts = self._scrubber.scrub(text, known)
        self.removed += counts
        return clean


def identifiers_in(value: str) -> Identifiers:
    """Of a column of identifiers: a person's name; with digits a number or address, found whole."""
    if not any(map(str.isdigit, value)):
        return Identifiers(names=(value,))
    return Identifiers(names=(value,) if "^" in value else (), values=(value,))


def guard_of(
    entry: DomainEntry, root: Path, *, data_root: Path | None, file_columns: Collection[str]
) -> Guard:
    """The guard of a domain.

    Args:
        entry: the domain.
        root: the folder of its rows, which for some sources is in the cache.
        data_root: folder of the data packs, as for ``load_domain``.
        file_columns: those of its source's columns that hold file names.

    Raises:
        EnvironmentProblem: there is no key, or it cannot be used.
        InputError: domain.yaml asks for something that cannot be protected.
        MissingExtra: privacy.text is asked and Presidio is not installed.
    """
    key = None
    if entry.config.privacy.active:
        folders = [entry.folder, root, data_folder(entry, data_root=data_root)]
        key = read_key(domain=entry.name, folders=folders)
    return Guard(entry.config, key, file=entry.file, file_columns=file_columns)


def media_columns(config: DomainConfig) -> set[str]:
    """Columns by which media and transcripts are found."""
    source = config.source
    templates = [medium.path for medium in source.media.values()]
    templates += [source.transcript.path] if source.transcript else []
    return {column for one in templates for column in columns_of(one, where="source")}


def shown_columns(config: DomainConfig) -> Iterator[tuple[str, str]]:
    """Columns that become part of samples, each with the key that names it."""
    for name, task in config.tasks.items():
        for key in ("prompt", "answer"):
            where = f"tasks.{name}.{key}"
            yield from ((where, column) for column in columns_of(getattr(task, key), where=where))
        if isinstance(task.choices, str):
            yield f"tasks.{name}.choices", task.choices
    yield from (("attributes", column) for column in config.attributes)


def _refuse_file_names(config: DomainConfig, file: Path, file_columns: Collection[str]) -> None:
    source = config.source
    names = media_columns(config) | set(file_columns)
    if source.reports is not None and source.reports.tag in ("file", "stem"):
        names.add(source.reports.column)
    for where, column in shown_columns(config):
        if column in names:
            raise InputError(
                f"{file}: {where}: shows the column '{column}', which holds file names; with "
                "privacy they may not be part of samples"
            )


def _refuse_open_labels(config: DomainConfig, file: Path) -> None:
    for name, task in config.tasks.items():
        if task.kind == "classify" and not isinstance(task.choices, list):
            raise InputError(
                f"{file}: tasks.{name}.choices: must list the labels where privacy.text is "
                "'scrub': labels are written to results, and only a list says that none is a name"
            )
