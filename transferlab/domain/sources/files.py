"""The files below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from transferlab.domain.base.rows import WHERE, Row
from transferlab.errors import DataError


def walk(folder: Path) -> Iterator[Path]:
    """Every file below a folder in the order of paths; hidden ones and links out of it left out."""
    base = folder.resolve()
    for where, folders, files in os.walk(base):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(where, name)
            if not name.startswith(".") and path.resolve().is_relative_to(base) and path.is_file():
                yield path


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
