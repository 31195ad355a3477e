"""The files below a folder, in an order that every machine gives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")


def walk(folder: Path) -> Iterator[Path]:
    """Every file below a folder in the order of paths; hidden ones and links out of it left out."""
    base = folder.resolve()
    for where, folders, files in os.walk(base):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(where, name)
            if not name.startswith(".") and path.resolve().is_relative_to(base) and path.is_file():
                yield path


def is_dicom(path: Path) -> bool:
    """Whether a file has DICOM's marker at byte 128, or such a name."""
    with path.open("rb") as file:
        has_mark = file.read(132)[128:] == b"DICM"
    return has_mark or path.suffix.lower() in DICOM_SUFFIXES
