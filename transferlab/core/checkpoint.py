"""Tensors and plain values on disk: whole or not at all, and nothing in a file is executed."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from transferlab.core.files import replace_file
from transferlab.errors import ModelError


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write beside, then rename: a killed run leaves the old file, never half of a new one.

    Raises:
        EnvironmentProblem: the disk is full, or does not take it for another reason.
    """
    # A file of Python's: what torch says of one that it opens itself does not tell why it failed.
    with replace_file(path) as beside, beside.open("wb") as file:
        torch.save(dict(state), file)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What ``save_checkpoint`` wrote, on the CPU.

    Raises:
        ModelError: the file is missing or damaged.
    """
    if not path.exists():
        raise ModelError(f"{path}: this checkpoint is not there any more; run anew")
    damaged = f"{path}: this checkpoint is damaged; remove it to begin its part anew"
    if not zipfile.is_zipfile(path):  # else torch takes it for a format of long ago
        raise ModelError(damaged)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise ModelError(damaged) from error
