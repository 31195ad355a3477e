"""A folder of files of any kind: one row per file, for the domain's own code to read."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from transferlab.domain.base.file_tree import walk
from transferlab.domain.base.rows import WHERE, Row
from transferlab.domain.rows.source import Source, SourceContext
from transferlab.errors import DataError


class FilesSource(Source):
    """Files whose names fit ``source.pattern``; listed once."""

    name = "files"
    file_columns = frozenset({"file", "stem", "name", "folder", "transcript"})

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        section = context.section
        self._rows = list_files(context.path(section.path), context.root, pattern=section.pattern)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)


def list_files(folder: Path, root: Path, *, pattern: str) -> list[Row]:
    """The columns file (relative to ``root``), name (without ending) and folder, for the domain's
    own code to read.

    Raises:
        DataError: no file's name fits the pattern.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; is the data complete?")
    base = root.resolve()
    files = [path for path in walk(folder) if fnmatchcase(path.name, pattern)]
    if not files:
        raise DataError(f"{folder}: holds no file whose name fits '{pattern}'")
    return [
        {
            "file": path.relative_to(base).as_posix(),
            "name": path.stem,
            "folder": path.parent.relative_to(base).as_posix(),
            WHERE: f"file {number} of {len(files)}",
        }
        for number, path in enumerate(files, start=1)
    ]
