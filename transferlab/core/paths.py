"""Folders of the user's own and of the cache, and paths that cannot leave their root."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "TRANSFERLAB_CACHE"
HOME_VARIABLE = "TRANSFERLAB_HOME"


def default_cache() -> Path:
    """$TRANSFERLAB_CACHE, by default ~/.cache/transferlab."""
    variable = os.environ.get(CACHE_VARIABLE)
    return Path(variable) if variable else Path.home() / ".cache" / "transferlab"


def user_domains_folder() -> Path:
    """Where `domains register` writes: $TRANSFERLAB_HOME/domains, by default ~/.transferlab."""
    home = os.environ.get(HOME_VARIABLE)
    return (Path(home) if home else Path.home() / ".transferlab") / "domains"


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
