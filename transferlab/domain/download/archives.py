"""Archives from elsewhere: no member leaves the folder, no link, no bomb."""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from transferlab.core.paths import safe_join
from transferlab.errors import DataError

MAX_MEMBERS = 2_000_000
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_COPY_BYTES = 1 << 20
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)


def is_archive(name: str) -> bool:
    """Whether a file of this name is unpacked, and not kept as it is."""
    return name.lower().endswith((".zip", *_TARS))


def unpack_archive(path: Path, to: Path, *, name: str, most_bytes: int) -> None:
    """Write the regular files of an archive below ``to``.

    Args:
        path: the archive.
        to: an empty folder.
        name: its published name, whose ending says what it is.
        most_bytes: of all its files together; what is written is counted, not what it claims.

    Raises:
        DataError: it is broken, names a path outside ``to``, holds links or devices, is encrypted,
            or unpacks to more than ``most_bytes``.
    """
    budget = _Budget(name, most_bytes)
    try:
        if name.lower().endswith(".zip"):
            _unzip(path, to, budget)
        else:
            _untar(path, to, budget)
    except _BROKEN as error:
        raise DataError(f"{name}: is damaged or no such archive ({type(error).__name__})") from None
    except RuntimeError:
        raise DataError(f"{name}: is encrypted; unpack it yourself") from None


class _Budget:
    """How much an archive may still write."""

    def __init__(self, name: str, most_bytes: int) -> None:
        self.name, self._most, self._left, self._members = name, most_bytes, most_bytes, 0

    def copy(self, source: IO[bytes], target: Path) -> None:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise DataError(f"{self.name}: holds more than {MAX_MEMBERS:,} files")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            while chunk := source.read(min(_COPY_BYTES, self._left + 1)):
                self._left -= len(chunk)
                if self._left < 0:
                    raise DataError(
                        f"{self.name}: unpacks to more than the {self._most:,} bytes that "
                        "domain.yaml allows (unpacked_bytes); nothing of it is kept"
                    )
                file.write(chunk)

    def target(self, to: Path, member: str) -> Path:
        try:
            return safe_join(to, member)
        except ValueError:
            raise DataError(
                f"{self.name}: a file of it would lie outside its folder; nothing of it is kept"
            ) from None


def _unzip(path: Path, to: Path, budget: _Budget) -> None:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            if stat.S_ISLNK(member.external_attr >> 16):
                raise DataError(f"{budget.name}: holds a link; nothing of it is kept")
            # Windows' separator would be part of a name here, and of a path there.
            target = budget.target(to, member.filename.replace("\\", "/"))
            with archive.open(member) as source:
                budget.copy(source, target)


def _untar(path: Path, to: Path, budget: _Budget) -> None:
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            if member.isdir():
                continue
            if not member.isfile():
                raise DataError(f"{budget.name}: holds a link or a device; nothing of it is kept")
            target = budget.target(to, member.name)
            source = archive.extractfile(member)
            if source is not None:
                budget.copy(source, target)
