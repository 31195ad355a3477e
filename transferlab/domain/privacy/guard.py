"""What one domain's ``privacy:`` section asks, done to its rows and ids."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from transferlab.config.domain import DomainConfig
from transferlab.domain.catalogue import DomainEntry
from transferlab.domain.identity import salted_id
from transferlab.domain.privacy.key import PrivacyKey, read_key
from transferlab.domain.table import LISTED, WHERE, Row
from transferlab.domain.template import check_columns, columns_of
from transferlab.errors import InputError

KNOWN = "_known"
"""Reserved column: a JSON list of the identifiers that the row's own file states."""
_RESERVED = (KNOWN, LISTED, WHERE)


class Guard:
    """Keeps what identifies somebody inside the process; an open one where nothing is asked."""

    def __init__(self, config: DomainConfig, key: PrivacyKey | None, *, file: Path) -> None:
        """Args:
            config: the domain's.
            key: None where the domain asks for no privacy.
            file: its domain.yaml, for messages.

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
            _refuse_file_names(config, file)
        if self.section.text is not None:
            _refuse_open_labels(config, file)
            from transferlab.domain.privacy.text import Scrubber

            self._scrubber = Scrubber(self.section.text_model)

    @property
    def key(self) -> PrivacyKey | None:
        return self._key

    def id(self, parts: Iterable[str]) -> str:
        """The id of whatever ``parts`` identify: keyed, where the domain asks for privacy."""
        return salted_id(self._config.name, parts, key=self._key)

    def scrubbed(self, rows: Iterable[Row]) -> list[Row]:
        """The rows with identifiers removed from every column that a sample shows.

        Raises:
            InputError: privacy.identifiers names a column that does not exist.
        """
        if self._scrubber is None:
            return list(rows)
        rows = list(rows)
        self._require_identifiers(rows)
        shown = {column for _, column in shown_columns(self._config)}
        labels = {one for t in self._config.tasks.values() for one in t.choices or ()}
        return [self._scrubbed_row(row, shown, labels) for row in rows]

    def _require_identifiers(self, rows: list[Row]) -> None:
        columns = {column for row in rows for column in row if column not in _RESERVED}
        check_columns(self.section.identifiers, columns, where=f"{self._file}: privacy.identifiers")

    def _scrubbed_row(self, row: Row, shown: set[str], labels: set[str]) -> Row:
        known = json.loads(row.get(KNOWN, "[]"))
        for column in self.section.identifiers:
            known += name_parts(row.get(column, ""))
        # Whole: a lecture or a folder may be called by words that its texts are full of.
        own = (self._config.group, self._config.id)
        known += [row.get(column, "") for column in own if column and column not in shown]
        clean = dict(row)
        for column in shown & row.keys():
            if row[column] in labels:
                continue  # one of a set that the user has listed
            clean[column], counts = self._scrubber.scrub(row[column], known)
            self.removed += counts
        return clean


def name_parts(value: str) -> list[str]:
    """A person's name as a whole and by its words; of a value with digits, the whole."""
    if any(character.isdigit() for character in value):
        return [value]
    return [value, *re.split(r"[\^=,\s]+", value)]


def guard_of(entry: DomainEntry, root: Path) -> Guard:
    """The guard of a domain whose data lie in ``root``.

    Raises:
        EnvironmentProblem: there is no key, or it cannot be used.
        InputError: domain.yaml asks for something that cannot be protected.
        MissingExtra: privacy.text is asked and Presidio is not installed.
    """
    key = None
    if entry.config.privacy.asked:
        key = read_key(domain=entry.name, folders=[entry.folder, root])
    return Guard(entry.config, key, file=entry.file)


def shown_columns(config: DomainConfig) -> Iterator[tuple[str, str]]:
    """Columns that become part of samples, each with the key that names it."""
    for name, task in config.tasks.items():
        for key in ("prompt", "answer"):
            where = f"tasks.{name}.{key}"
            yield from ((where, column) for column in columns_of(getattr(task, key), where=where))
        if isinstance(task.choices, str):
            yield f"tasks.{name}.choices", task.choices
    yield from (("attributes", column) for column in config.attributes)


def _refuse_file_names(config: DomainConfig, file: Path) -> None:
    source = config.source
    templates = [medium.path for medium in source.media.values()]
    templates += [source.transcript.path] if source.transcript else []
    names = {column for one in templates for column in columns_of(one, where="source")}
    if source.kind in ("dicom", "video", "files"):
        names |= {"file", "stem", "name", "folder", "transcript"}
    if source.kind == "chat":
        names |= {"path", "about"}
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
