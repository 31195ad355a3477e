"""Folders of the user's own and of the cache, and paths that cannot leave their root."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from transferlab.errors import EnvironmentProblem

CACHE_VARIABLE = "TRANSFERLAB_CACHE"
HOME_VARIABLE = "TRANSFERLAB_HOME"


def default_cache() -> Path:
    """$TRANSFERLAB_CACHE, by default ~/.cache/transferlab.

    Raises:
        EnvironmentProblem: there is neither.
    """
    variable = os.environ.get(CACHE_VARIABLE)
    if variable:
        return Path(variable)
    home = _home()
    if home is None:
        raise EnvironmentProblem(f"there is no home folder; name a cache in ${CACHE_VARIABLE}")
    return home / ".cache" / "transferlab"


def user_domains_folder() -> Path:
    """Where `domains register` writes: $TRANSFERLAB_HOME/domains, by default ~/.transferlab."""
    variable = os.environ.get(HOME_VARIABLE)
    # Without a home nothing is registered, and nothing can be: there are no folders in this one.
    home = Path(variable) if variable else (_home() or Path(os.devnull)) / ".transferlab"
    return home / "domains"


def _home() -> Path | None:
    """The user's; None where a container runs as somebody whom it does not know."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def is_special(path: Path) -> bool:
    """Whether a path is a pipe, a socket or a device: to open one may wait for ever."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False  # whatever opens it says what is wrong
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def safe_join(root: Path, relative: str) -> Path:
    """The path that ``relative`` means under ``root``, symbolic links followed.

    Raises:
        ValueError: it is empty, absolute, or leaves ``root``.
    """
    path = Path(relative)
    # A NUL would make the file system calls below fail with a message of their own.
    if not relative or "\0" in relative or path.is_absolute():
        raise ValueError("not a path inside the domain's folder")
    base = root.resolve()
    resolved = (base / path).resolve()
    if not resolved.is_relative_to(base):
        raise ValueError("not a path inside the domain's folder")
    return resolved


def data_path(root: Path, written: str) -> Path:
    """The file under ``root`` that a table means, whoever wrote it.

    Tables written on Windows have backslashes, and some programs write absolute paths.

    Raises:
        ValueError: as for ``safe_join``; an absolute path may lie under ``root``.
    """
    if "\\" in written and "\0" not in written and not (root / written).exists():
        written = written.replace("\\", "/")
    path = Path(written)
    if path.is_absolute() and "\0" not in written and path.is_relative_to(root):
        written = path.relative_to(root).as_posix()
    return safe_join(root, written)
