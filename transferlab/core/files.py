"""Files that are written whole or not at all, and why a machine does not take one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transferlab.errors import EnvironmentProblem

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than this disk or this user's limit allows",
}
_REASONS = _FULL | {
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.EIO: "the disk does not answer",
}
_WORDS = {
    "no space left on device": errno.ENOSPC,
    "database or disk is full": errno.ENOSPC,
    "disk quota exceeded": errno.EDQUOT,
    "file too large": errno.EFBIG,
    "read-only file system": errno.EROFS,
    "attempt to write a readonly database": errno.EROFS,
    "disk i/o error": errno.EIO,
}
"""How libraries in other languages say it, in lower case: they do not raise an OSError."""


def machine_error(error: BaseException | None) -> int | None:
    """The errno by which the machine refused, behind whatever a library made of it.

    Returns:
        The number, of those that ``why`` has words for; None where the machine is not to blame.
    """
    visited: set[int] = set()
    while error is not None and id(error) not in visited:
        visited.add(id(error))
        if isinstance(error, OSError) and error.errno in _REASONS:
            return error.errno
        text = str(error).lower()
        for words, number in _WORDS.items():
            if words in text:
                return number
        error = error.__cause__ or error.__context__
    return None


def is_full(number: int) -> bool:
    """Whether an errno of ``machine_error`` says that there is no room."""
    return number in _FULL


def why(number: int) -> str:
    """An errno of ``machine_error`` in words."""
    return _REASONS[number]


def advice(number: int) -> str:
    """What to do about an errno of ``machine_error``."""
    return "make room" if is_full(number) else "free or change it"


@contextmanager
def report_disk_errors(path: Path) -> Iterator[None]:
    """Turn what a full or forbidden disk raises while ``path`` is written into one sentence.

    Raises:
        EnvironmentProblem: in place of what the machine, or a library on its behalf, raised.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = machine_error(error)
        if number is not None:
            raise EnvironmentProblem(
                f"{path}: cannot be written ({why(number)}); {advice(number)}, and give the same "
                "command again: what is finished is kept"
            ) from error
        if isinstance(error, OSError):
            reason = error.strerror or type(error).__name__
            raise EnvironmentProblem(f"{path}: cannot be written ({reason})") from error
        raise


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Write beside, then rename: what is at ``path`` is the old file or the whole new one.

    The block writes the file whose path it is given, in ``path``'s folder. It is on the disk
    before it is renamed, and removed where the block fails.

    Raises:
        EnvironmentProblem: the disk does not take it.
    """
    # One name for one file: what a killed process left there is written over.
    partial = path.with_name(f".{path.name}.partial")
    with report_disk_errors(path):
        try:
            yield partial
            with partial.open("rb+") as file:
                # Some file systems find out here that they are full.
                os.fsync(file.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all.

    Raises:
        EnvironmentProblem: the disk does not take it.
    """
    with replace_file(path) as partial:
        partial.write_text(text, "utf-8")
