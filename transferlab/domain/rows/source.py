"""The contract of a source: what gives a domain its rows.

A kind of source is one class. Ours are the files of ``domain/sources``; a third party's is named by
an entry point of the group ``transferlab.sources``, or in domain.yaml by its dotted path
(``kind: my_package.mine:MySource``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from transferlab.config.problems import dotted, explain
from transferlab.config.section import Section
from transferlab.config.source import SourceSection
from transferlab.config.yaml_sections import locate
from transferlab.core.paths import safe_join
from transferlab.domain.base.rows import BadItem, Row
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.data_root import DATA_VARIABLE, data_folder, packs_root
from transferlab.domain.privacy.guard import Guard
from transferlab.errors import DataError, InputError


class NoOptions(Section):
    """Of a kind whose keys are all in ``SourceSection``."""


@dataclass(frozen=True, kw_only=True)
class SourceContext:
    """What a source may use of the domain that it belongs to."""

    entry: DomainEntry
    root: Path
    """The folder to which the domain's paths are relative."""
    guard: Guard
    """Removes what identifies somebody; an open one where the domain asks for no privacy."""

    @property
    def section(self) -> SourceSection:
        """``source:`` of domain.yaml."""
        return self.entry.config.source

    def path(self, relative: str, *, key: str = "path") -> Path:
        """A path of domain.yaml, inside the root.

        Args:
            relative: as it was written.
            key: below ``source``, for the message.

        Raises:
            DataError: it leaves the root.
        """
        try:
            return safe_join(self.root, relative)
        except ValueError as error:
            raise DataError(f"{self.entry.file}: source.{key} is {error}") from None


class Source(ABC):
    """The rows of a domain before anything is done to them, read anew each time."""

    name: ClassVar[str]
    """What ``source.kind`` says; the name of its file, or of its entry point."""
    Options: ClassVar[type[Section]] = NoOptions
    """What ``source.options`` may say; a pydantic model with a default or a need per key."""
    file_columns: ClassVar[frozenset[str]] = frozenset()
    """Columns that hold file names, which a domain that asks for privacy may not show."""

    repeats_items: ClassVar[bool] = False
    """Whether the same items, with their texts and media, are meant to be on every side: many
    learners answer one question. Leaks and repeats of items are then not looked for."""

    def __init__(self, context: SourceContext) -> None:
        """
        Raises:
            InputError: domain.yaml names something that the source does not have.
            DataError: the source cannot be read.
        """
        self.context = context
        self.options = self.read_options(context.entry)
        """``source.options`` of domain.yaml, as ``Options``."""

    @classmethod
    def root(cls, entry: DomainEntry, *, data_root: Path | None, cache_root: Path | None) -> Path:
        """The folder to which table and media paths are relative: domain.yaml's ``data_root``.

        Args:
            entry: the domain.
            data_root: folder of the data packs; None means $TRANSFERLAB_DATA.
            cache_root: folder of what is made of sources; None means $TRANSFERLAB_CACHE, then
                ~/.cache.

        Raises:
            DataError: the data are not there; the message says where to put them.
        """
        return existing_folder(entry, data_root=data_root)

    @abstractmethod
    def __iter__(self) -> Iterator[Row | BadItem]:
        """Every row, and a ``BadItem`` for each item that gives none; nothing is left out.

        Columns are text. ``WHERE`` holds where the row stands, such as "rows.csv row 3".
        """

    def columns(self) -> set[str]:
        """Those that any row has; a source that knows them without reading says so itself."""
        return columns_of_rows(self)

    def file_of(self, where: str) -> Path | None:
        """The file that the ``where`` of a row or ``BadItem`` stands for; None where rows tell."""
        return None

    def find_problems(self, rows: Iterable[Row]) -> Iterator[BadItem]:
        """What is wrong with rows beside what their samples show, as a check reports it.

        Args:
            rows: all that can be used, as samples are made of them.
        """
        return iter(())

    @classmethod
    def read_options(cls, entry: DomainEntry) -> Any:
        """``source.options`` of domain.yaml as the kind's ``Options``.

        Raises:
            InputError: they do not fit; the message names the file, the line and the key.
        """
        given = dict(entry.config.source.options)
        try:
            return cls.Options.model_validate(given, strict=True)
        except ValidationError as error:
            found = explain(error.errors(include_url=False), model=cls.Options, tree=given)[0]
            where = dotted(("source", "options", *found.path))
            raise InputError(locate(entry.file, f"{where}: {found.message}")) from None


def columns_of_rows(items: Iterable[Row | BadItem]) -> set[str]:
    """The columns that any row has."""
    return {column for one in items if not isinstance(one, BadItem) for column in one}


def existing_folder(entry: DomainEntry, *, data_root: Path | None) -> Path:
    """``data_folder``, which must be there.

    A domain without ``data_root`` in its domain.yaml lies beside that file; one with it lies in
    that folder of the data packs, or, if the path is absolute, just there.

    Raises:
        DataError: it is not; the message says where to put the data.
    """
    root = data_folder(entry, data_root=data_root)
    if root.is_dir():
        return root
    where = entry.config.data_root
    if Path(where).is_absolute():
        how = f"if the data have moved, correct data_root in {entry.file}"
        origin = "from its domain.yaml"
    else:
        _, origin = packs_root(entry, data_root)
        how = (
            f"put the folder '{where}' of the data packs there, or say where it is with "
            f"--set data_root=FOLDER or {DATA_VARIABLE}=FOLDER"
        )
    if entry.config.fetch:
        how += f"; `transferlab domains fetch {entry.name}` downloads it"
    missing = root if root.parent.is_dir() else root.parent
    raise DataError(f"domain '{entry.name}': there is no folder {missing} ({origin}); {how}")
