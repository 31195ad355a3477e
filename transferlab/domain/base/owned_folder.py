"""Folders that belong to a process: others leave them alone while it lives, and remove them after.

A lock that falls with its process says which. It stands beside the folder and is taken before the
folder is made, so that nobody finds one without an owner.
"""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from filelock import FileLock, Timeout

from transferlab.core.paths import CACHE_VARIABLE
from transferlab.errors import EnvironmentProblem

_LOCK = ".lock"
_ATTEMPTS = 5


class OwnedFolder:
    """An empty folder of this process, for nobody but its user."""

    def __init__(self, root: Path, prefix: str) -> None:
        """Make it, and remove those of processes that are no more.

        Args:
            root: made when missing.
            prefix: of its name; tells uses apart.

        Raises:
            OSError: the folder cannot be made.
        """
        root.mkdir(parents=True, exist_ok=True)
        sweep(root, prefix)
        for _ in range(_ATTEMPTS):
            self.path = root / f"{prefix}{uuid.uuid4().hex}"
            self._lock = FileLock(_lock_of(self.path))
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                continue  # somebody who sweeps was quicker by a moment, and removes the name
            self.path.mkdir(mode=0o700)
            return
        raise Timeout(str(self.path))

    def remove(self) -> None:
        """Take it away with all that is in it, or what is left of it after it was renamed."""
        _remove(self.path, self._lock)


def own_cache_folder(root: Path, prefix: str) -> OwnedFolder:
    """An empty folder of this process in the cache.

    Raises:
        EnvironmentProblem: it cannot be made; the sentence says how to name another place.
    """
    try:
        return OwnedFolder(root, prefix)
    except OSError as error:
        raise EnvironmentProblem(
            f"data cannot be kept in {root} ({error.strerror}); "
            f"name a writable folder in ${CACHE_VARIABLE}"
        ) from None


def sweep(root: Path, prefix: str) -> None:
    """Remove the folders, and the locks, of processes that are no more."""
    names = {path.name.removesuffix(_LOCK) for path in root.glob(f"{prefix}*")}
    for name in sorted(names):
        lock = FileLock(_lock_of(root / name))
        try:
            lock.acquire(blocking=False)
        except OSError:  # its owner lives (Timeout is one of them), or nothing can be removed here
            continue
        _remove(root / name, lock)


def _remove(folder: Path, lock: FileLock) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()
    _lock_of(folder).unlink(missing_ok=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + _LOCK)
