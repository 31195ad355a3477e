"""Folders of private data that a process needs while it works, and that are gone when it ends."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from pathlib import Path

from transferlab.core.files import report_disk_errors
from transferlab.core.paths import default_cache
from transferlab.domain.base.owned_folder import OwnedFolder, own_cache_folder

PREFIX = ".private-"

_here: dict[tuple[str, Path], Path] = {}
"""Of this process, by name and place."""


def write_for_now(name: str, write: Callable[[Path], None], cache_root: Path | None) -> Path:
    """A folder of the cache for nobody but its owner, written once in this process.

    It is removed when the process ends. One that a killed process left is removed by the next call.

    Args:
        name: tells contents apart.
        write: fills an empty folder.
        cache_root: None means $TRANSFERLAB_CACHE, then ~/.cache.

    Raises:
        EnvironmentProblem: the cache folder cannot be written.
    """
    root = cache_root or default_cache()
    known = _here.get((name, root))
    if known is not None and known.is_dir():
        return known
    folder = own_cache_folder(root, PREFIX)
    atexit.register(_remove, folder, os.getpid())
    with report_disk_errors(root):
        write(folder.path)
    _here[name, root] = folder.path
    return folder.path


def _remove(folder: OwnedFolder, owner: int) -> None:
    if os.getpid() == owner:  # else this is a copy of the process, and the folder is not its own
        folder.remove()
