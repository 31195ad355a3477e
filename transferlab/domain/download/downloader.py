"""Archives that a domain.yaml names: downloaded, verified, and unpacked where they do no harm."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from transferlab.config.domain import ArchiveSection
from transferlab.core.integrity import file_digest
from transferlab.core.text.secrets import without_secrets
from transferlab.domain.base.owned_folder import OwnedFolder
from transferlab.domain.download.archives import is_archive, unpack_archive
from transferlab.errors import DataError, EnvironmentProblem

ATTEMPTS = 5
_TIMEOUT_SECONDS, _PAUSE_SECONDS = 30.0, 0.5
_PARTIAL = ".partial"
_UNPACKING = ".unpacking-"
_DONE = ".fetched"
"""A file of digests beside the data: what has been unpacked is not fetched again."""

Progress = Callable[[int, int], None]
"""Is told of the bytes that are there and the bytes that there will be."""


def fetch(section: ArchiveSection, root: Path, *, progress: Progress) -> bool:
    """Bring one archive, or one file, into a domain's folder.

    It is downloaded beside its place and goes on where an earlier attempt, or a broken connection,
    left off. Nothing is unpacked before size and SHA-256 are right.

    Args:
        section: address, size, digest and where to unpack.
        root: the folder of the domain's data; made when missing.
        progress: is told how far it is.

    Returns:
        Whether anything was done: what is there already is not fetched again.

    Raises:
        DataError: the server does not answer or sends something else, or the archive is unsafe.
        EnvironmentProblem: the folder cannot be written, or has no room.
    """
    with _write_errors_named(root):
        root.mkdir(parents=True, exist_ok=True)
        done = root / _DONE
        if done.is_file() and section.sha256 in done.read_text("utf-8").split():
            return False
        _need_room(root, section)
        partial = root / f".{section.sha256[:16]}{_PARTIAL}"
        _download(section, partial, progress=progress)
        _verify(section, partial)
        _put(section, partial, root)
        with done.open("a", encoding="utf-8") as file:
            file.write(f"{section.sha256}\n")
        partial.unlink(missing_ok=True)
    return True


@contextmanager
def _write_errors_named(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnvironmentProblem(
            f"{error.filename or root}: cannot be written ({error.strerror or error})"
        ) from None


def _place(section: ArchiveSection) -> str:
    """The address for messages: a query may hold a token."""
    return without_secrets(section.url)


def _need_room(root: Path, section: ArchiveSection) -> None:
    free = shutil.disk_usage(root).free
    if free < section.bytes + section.unpacked_bytes:
        raise EnvironmentProblem(
            f"{root}: has {free:,} bytes free; {_place(section)} needs {section.bytes:,} and "
            f"{section.unpacked_bytes:,} unpacked"
        )


def _download(section: ArchiveSection, partial: Path, *, progress: Progress) -> None:
    """Go on until all is there, or several requests in a row bring nothing."""
    last, idle = "the server sent too little", 0
    there = _size(partial)
    while there != section.bytes:
        if idle:
            time.sleep(_PAUSE_SECONDS * idle)
        try:
            _continue(section, partial, progress=progress)
        except (httpx.TransportError, httpx.StreamError) as error:
            last = type(error).__name__
        before, there = there, _size(partial)
        idle = 0 if there > before else idle + 1
        if idle == ATTEMPTS:
            raise DataError(
                f"{_place(section)}: {ATTEMPTS} attempts in a row brought nothing ({last}); "
                f"{there:,} of {section.bytes:,} bytes are there: give the command again to go on"
            )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _continue(section: ArchiveSection, partial: Path, *, progress: Progress) -> None:
    """One request for what is still missing."""
    there = _size(partial)
    if there > section.bytes:
        partial.unlink()
        there = 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
    with httpx.stream(
        "GET", section.url, headers=headers, timeout=_TIMEOUT_SECONDS, follow_redirects=True
    ) as response:
        if response.status_code == httpx.codes.OK:
            there = 0  # a server that does not know ranges begins again
        elif response.status_code != httpx.codes.PARTIAL_CONTENT:
            raise DataError(
                f"{_place(section)}: the server answers {response.status_code}; is the address "
                "right?"
            )
        with partial.open("ab" if there else "wb") as file:
            # As they come: larger pieces would be lost where the connection breaks inside one.
            for chunk in response.iter_raw():
                there += len(chunk)
                if there > section.bytes:
                    file.close()
                    partial.unlink()
                    raise DataError(
                        f"{_place(section)}: is larger than the {section.bytes:,} bytes that "
                        "domain.yaml says; it is another file"
                    )
                file.write(chunk)
                progress(there, section.bytes)


def _verify(section: ArchiveSection, partial: Path) -> None:
    found = file_digest(partial)
    if found != section.sha256:
        partial.unlink()
        raise DataError(
            f"{_place(section)}: its SHA-256 is {found[:12]}..., not {section.sha256[:12]}... as "
            "domain.yaml says; it was changed or damaged, and is thrown away"
        )


def _put(section: ArchiveSection, partial: Path, root: Path) -> None:
    """Unpack beside and move into place, so that half an archive is never taken for a whole."""
    unpacking = OwnedFolder(root, _UNPACKING)
    try:
        if is_archive(section.name):
            _unpack(section, partial, unpacking.path)
        else:
            os.replace(partial, unpacking.path / section.name)
        target = root / section.to
        target.mkdir(parents=True, exist_ok=True)
        _merge(unpacking.path, target)
    finally:
        unpacking.remove()


def _unpack(section: ArchiveSection, partial: Path, to: Path) -> None:
    try:
        unpack_archive(partial, to, name=section.name, most_bytes=section.unpacked_bytes)
    except DataError:
        partial.unlink()  # it will be no better the next time, and nothing of it is to be kept
        raise


def _merge(source: Path, target: Path) -> None:
    for path in sorted(source.iterdir()):
        destination = target / path.name
        if path.is_dir() and destination.is_dir() and not destination.is_symlink():
            _merge(path, destination)
        elif destination.exists() or destination.is_symlink():
            raise DataError(f"{destination}: is there already; move it away, and fetch again")
        else:
            os.replace(path, destination)
