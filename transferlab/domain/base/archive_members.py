"""Files, and members of tar shards, which have the shard's path with their own name after it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

SHARD = ".tar"
_MAX_INDEXES = 256
"""Shards whose members' places are kept: of 10,000 members they take about 2 MB."""


def size_bytes(path: Path) -> int | None:
    """How long a file or a member is; None where there is none.

    Raises:
        OSError: it cannot be reached.
        tarfile.TarError: the shard is damaged.
    """
    if path.is_file():
        return path.stat().st_size
    member = _member_of(path)
    return None if member is None else member[2]


def readable(path: Path) -> Path | BinaryIO:
    """What a decoder can open: the file's path, or a member's content.

    Raises:
        OSError, tarfile.TarError: as for ``size_bytes``.
    """
    member = _member_of(path)
    if member is None:
        return path
    shard, offset, size = member
    with shard.open("rb") as file:
        file.seek(offset)
        return io.BytesIO(file.read(size))


def open_medium(path: Path) -> BinaryIO:
    """A file or a member, open for reading bytes.

    Raises:
        OSError, tarfile.TarError: as for ``size_bytes``.
    """
    found = readable(path)
    return found.open("rb") if isinstance(found, Path) else found


def forget_members() -> None:
    """Let go of what is known about shards; it is found out again when it is wanted."""
    _members.cache_clear()


def _member_of(path: Path) -> tuple[Path, int, int] | None:
    """The shard that holds a member, and where: offset and size in bytes."""
    if SHARD not in str(path).lower() or path.is_file():
        return None
    for shard in path.parents:
        if shard.suffix.lower() == SHARD and shard.is_file():
            stat = shard.stat()
            members = _members(shard, stat.st_mtime_ns, stat.st_size)
            found = members.get(path.relative_to(shard).as_posix())
            return None if found is None else (shard, *found)
    return None


@lru_cache(maxsize=_MAX_INDEXES)
def _members(shard: Path, changed_ns: int, size: int) -> Mapping[str, tuple[int, int]]:
    """Offset and size of every regular member; the last two arguments tell versions apart."""
    with tarfile.open(shard, "r:") as archive:
        return {
            member.name.removeprefix("./"): (member.offset_data, member.size)
            for member in archive
            if member.isreg()
        }
