"""Digests of what transferlab writes and reads again, so that damage is noticed, never believed.

SHA-256 everywhere: processors of the last years compute it faster than any other in hashlib.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transferlab.errors import TransferlabWarning

DIGEST = "digest"
"""The key under which a record carries the digest of the rest of it."""


class DamagedFile(Exception):
    """A file does not hold what was written into it; its text says what is wrong."""


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digests(folder: Path) -> dict[str, str]:
    """SHA-256 in hex, by path, of every file below a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON-safe record with the digest of its content."""
    content = {key: value for key, value in record.items() if key != DIGEST}
    return content | {DIGEST: _digest(content)}


def check_seal(text: bytes) -> dict[str, Any]:
    """The content of a sealed record, without its digest.

    Raises:
        DamagedFile: it is not JSON, holds no digest, or another content than its digest says.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        empty = not text.strip(b"\0 \n")
        raise DamagedFile("it is empty" if empty else "it is not whole JSON") from None
    if not isinstance(found, dict) or DIGEST not in found:
        raise DamagedFile("it holds no digest")
    digest = found.pop(DIGEST)
    if digest != _digest(found):
        raise DamagedFile("its digest does not fit its content")
    return found


def set_aside(path: Path, why: str) -> Path:
    """Rename what is damaged, so that it is made anew and can still be looked at; say so.

    Args:
        path: a file or a folder.
        why: what is wrong with it.

    Returns:
        Where it is now; what was set aside there before is gone.
    """
    aside = path.with_name(path.name + ".damaged")
    if aside.is_dir():
        shutil.rmtree(aside)
    os.replace(path, aside)
    warnings.warn(
        f"{path}: is damaged ({why}); it is kept as {aside.name}, and made anew",
        TransferlabWarning,
        stacklevel=2,
    )
    return aside


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
