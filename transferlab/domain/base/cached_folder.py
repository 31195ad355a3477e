"""Folders of the cache that are written once: beside their final place, then renamed.

Each holds the digests of its files, which are compared once in every process that uses it: a folder
in which a file was damaged or is missing is set aside and written anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from transferlab.core.files import report_disk_errors
from transferlab.core.integrity import (
    DamagedFile,
    check_seal,
    file_digest,
    folder_digests,
    seal,
    set_aside,
)
from transferlab.core.paths import CACHE_VARIABLE, default_cache
from transferlab.domain.base.owned_folder import own_cache_folder, sweep
from transferlab.errors import EnvironmentProblem

PREFIX = ".writing-"
"""Folders of this name are being written, or were when their process was killed."""
DIGESTS = ".digests.json"
"""In each such folder: the SHA-256 of every other file in it."""
_verified: set[Path] = set()
"""Folders that this process has found whole."""


def write_once(name: str, write: Callable[[Path], None], cache_root: Path | None) -> Path:
    """The folder ``name`` of the cache, for nobody but its owner; written now unless it is there,
    and whole.

    Raises:
        EnvironmentProblem: the cache folder cannot be written.
    """
    root = cache_root or default_cache()
    final = root / name
    if final.is_dir():
        sweep(root, PREFIX)
    if final in _verified and final.is_dir():
        return final
    if final.is_dir() and (_damage(final) is None or not _set_damaged_aside(final)):
        _verified.add(final)
        return final
    partial = own_cache_folder(root, PREFIX)
    try:
        with report_disk_errors(root):
            write(partial.path)
            digests = {"files": folder_digests(partial.path)}
            (partial.path / DIGESTS).write_text(json.dumps(seal(digests)), "utf-8")
            _rename(partial.path, final)
    finally:
        partial.remove()
    _verified.add(final)
    return final


def _set_damaged_aside(folder: Path) -> bool:
    """Set a damaged folder aside; False where another process has made it anew meanwhile."""
    try:
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            why = _damage(folder)
            if why is None:
                return False
            set_aside(folder, why)
    except OSError as error:
        raise EnvironmentProblem(
            f"{folder}: is damaged and cannot be made anew ({error.strerror}); name a writable "
            f"folder in ${CACHE_VARIABLE}"
        ) from None
    return True


def _damage(folder: Path) -> str | None:
    """What is wrong with a folder; None where all its files are as they were written."""
    try:
        files = check_seal((folder / DIGESTS).read_bytes())["files"]
        for name, digest in files.items():
            if file_digest(folder / name) != digest:
                return f"{name} is not what was written"
    except FileNotFoundError as error:
        return f"{Path(error.filename).relative_to(folder)} is missing"
    except OSError as error:
        return f"{Path(error.filename).relative_to(folder)} cannot be read"
    except DamagedFile as error:
        return f"{DIGESTS}: {error}"
    return None


def _rename(temporary: Path, final: Path) -> None:
    try:
        temporary.rename(final)
    except OSError:
        # Another process was quicker; what it wrote has the same key, so the same content.
        if not final.is_dir():
            raise
