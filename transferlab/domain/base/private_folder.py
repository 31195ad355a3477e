"""Folders of private data that a process needs while it works, and that are gone when it ends."""

from __future__ import annotations

import atexit
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from transferlab.core.files import writing
from transferlab.core.paths import CACHE_VARIABLE, default_cache
from transferlab.errors import EnvironmentProblem

PREFIX = ".private-"
_LOCK = ".lock"

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
    folder = root / f"{PREFIX}{uuid.uuid4().hex}"
    lock = FileLock(_lock_of(folder))
    try:
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        lock.acquire(blocking=False)  # before there is a folder that another process could sweep
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise EnvironmentProblem(
            f"data cannot be kept in {root} ({error.strerror}); "
            f"name a writable folder in ${CACHE_VARIABLE}"
        ) from None
    atexit.register(_remove, folder, lock, os.getpid())
    with writing(root):
        write(folder)
    _here[name, root] = folder
    return folder


def _sweep(root: Path) -> None:
    """Remove the folders of processes that are no more: nobody holds their locks."""
    for folder in root.glob(f"{PREFIX}*"):
        if folder.suffix == _LOCK:
            continue
        lock = FileLock(_lock_of(folder))
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue
        _remove(folder, lock, os.getpid())


def _remove(folder: Path, lock: FileLock, owner: int) -> None:
    if os.getpid() != owner:
        return  # a copy of the process: the folder is not its own
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()
    _lock_of(folder).unlink(missing_ok=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + _LOCK)
