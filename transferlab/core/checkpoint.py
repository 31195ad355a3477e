"""Tensors and plain values on disk: whole or not at all, and nothing in a file is executed.

A file is one that ``torch.save`` writes, a ZIP archive, with the SHA-256 of all its other bytes as
the archive's comment, in which no reader looks for anything.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from transferlab.core.files import replace_file
from transferlab.core.integrity import DamagedFile
from transferlab.errors import ModelError

_DIGEST_BYTES = hashlib.sha256().digest_size
_LENGTH_BYTES = 2
"""The last field of a ZIP archive: how long the comment is that follows it."""
_PIECE_BYTES = 2**20


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write beside, then rename: a killed run leaves the old file, never half of a new one.

    Raises:
        EnvironmentProblem: the disk is full, or does not take it for another reason.
    """
    # A file of Python's: what torch says of one that it opens itself does not tell why it failed.
    with replace_file(path) as partial, partial.open("w+b") as file:
        torch.save(dict(state), file)
        body_bytes = file.seek(0, io.SEEK_END) - _LENGTH_BYTES
        digest = _body_digest(file, body_bytes)
        file.seek(body_bytes)
        file.write(_DIGEST_BYTES.to_bytes(_LENGTH_BYTES, "little") + digest)


def verify_checkpoint(path: Path) -> None:
    """Read a file that ``save_checkpoint`` wrote once, in pieces, and compare its digest.

    Raises:
        DamagedFile: it is missing, cut off, or other than it was written.
    """
    try:
        with path.open("rb") as file:
            body_bytes = file.seek(0, io.SEEK_END) - _LENGTH_BYTES - _DIGEST_BYTES
            if body_bytes < 0:
                raise DamagedFile("it is cut off")
            digest = _body_digest(file, body_bytes)
            file.seek(body_bytes)
            end = file.read()
    except FileNotFoundError:
        raise DamagedFile("it is missing") from None
    if end != _DIGEST_BYTES.to_bytes(_LENGTH_BYTES, "little") + digest:
        raise DamagedFile("its digest does not fit its content")


def load_checkpoint(path: Path, *, verified: bool = False) -> dict[str, Any]:
    """What ``save_checkpoint`` wrote, on the CPU.

    Args:
        path: the file.
        verified: whether ``verify_checkpoint`` has just found it sound.

    Raises:
        ModelError: the file is missing or damaged.
    """
    if not path.exists():
        raise ModelError(f"{path}: this checkpoint is not there any more; run anew")
    try:
        if not verified:
            verify_checkpoint(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (DamagedFile, OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise ModelError(
            f"{path}: this checkpoint is damaged; remove it to begin its part anew"
        ) from error


def _body_digest(file: BinaryIO, body_bytes: int) -> bytes:
    """SHA-256 of the first ``body_bytes`` of a file."""
    file.seek(0)
    digest, left = hashlib.sha256(), body_bytes
    while left > 0 and (piece := file.read(min(left, _PIECE_BYTES))):
        digest.update(piece)
        left -= len(piece)
    return digest.digest()
