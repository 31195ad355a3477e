"""Folders of the cache that are written once: beside their final place, then renamed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from transferlab.core.files import report_disk_errors
from transferlab.core.paths import CACHE_VARIABLE, default_cache
from transferlab.domain.base.owned_folder import OwnedFolder, sweep
from transferlab.errors import EnvironmentProblem

PREFIX = ".writing-"
"""Folders of this name are being written, or were when their process was killed."""


def write_once(name: str, write: Callable[[Path], None], cache_root: Path | None) -> Path:
    """The folder ``name`` of the cache, for nobody but its owner; written now unless it is there.

    Raises:
        EnvironmentProblem: the cache folder cannot be written.
    """
    root = cache_root or default_cache()
    final = root / name
    if final.is_dir():
        sweep(root, PREFIX)
        return final
    try:
        beside = OwnedFolder(root, PREFIX)
    except OSError as error:
        raise EnvironmentProblem(
            f"data cannot be kept in {root} ({error.strerror}); "
            f"name a writable folder in ${CACHE_VARIABLE}"
        ) from None
    try:
        with report_disk_errors(root):
            write(beside.path)
            _rename(beside.path, final)
    finally:
        beside.remove()
    return final


def _rename(temporary: Path, final: Path) -> None:
    try:
        temporary.rename(final)
    except OSError:
        # Another process was quicker; what it wrote has the same key, so the same content.
        if not final.is_dir():
            raise
