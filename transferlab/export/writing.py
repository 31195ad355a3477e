"""Write a folder beside its place, prove what was written, and only then put it there."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from transferlab.core.files import machine_error, why
from transferlab.core.integrity import folder_digests
from transferlab.errors import EnvironmentProblem, InputError, ModelError
from transferlab.export.exporter import ExportRecord

CARD = "README.md"
TOLERANCE = 1e-4
"""Largest difference of a logit, in float32; the same weights in another process differ less."""


def write_proven(
    save: Callable[[Path], None],
    reload_and_compare: Callable[[Path], float],
    *,
    kind: str,
    noun: str,
    needed: tuple[str, ...],
    folder: Path,
    tolerance: float = TOLERANCE,
) -> ExportRecord:
    """Write a model beside ``folder``, load it again, compare, and only then rename it.

    Args:
        save: writes the model's files into an empty folder.
        reload_and_compare: loads that folder as a user would and returns the largest absolute
            difference of its logits from the trained model's.
        kind: the format.
        noun: what it is in messages, e.g. "merged model".
        needed: files that must have been written; the first tells an earlier export of this kind.
        folder: where the model ends up; an earlier one of its kind there is replaced.
        tolerance: the largest difference that counts as equal.

    Raises:
        InputError: ``folder`` holds something that is no such model.
        ModelError: files are missing, one is a pickle, or the reloaded model answers differently.
            What was at ``folder`` before is left as it was.
        EnvironmentProblem: the folder cannot be written.
    """
    _check_replaceable(folder, noun=noun, sign=needed[0])
    temporary = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            save(temporary)
            _check_complete(temporary, noun=noun, needed=needed)
            difference = reload_and_compare(temporary)
            _check_equal(difference, tolerance, folder, noun=noun)
            record = _record(temporary, folder, kind, difference=difference, tolerance=tolerance)
            _replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        number = machine_error(error)
        reason = why(number) if number is not None else getattr(error, "strerror", None) or error
        raise EnvironmentProblem(
            f"{folder}: the {noun} cannot be written ({reason}); choose another folder or make room"
        ) from error
    return record


def _check_replaceable(folder: Path, *, noun: str, sign: str) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / sign).exists():
        raise InputError(
            f"{folder}: holds files that are no {noun} and would be lost; choose an empty folder"
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; choose a folder for the {noun}")


def _check_complete(folder: Path, *, noun: str, needed: tuple[str, ...]) -> None:
    written = {path.name for path in folder.iterdir()}
    missing = set(needed) - written
    if missing:
        raise ModelError(
            f"the {noun} was saved without {' and '.join(sorted(missing))} "
            f"(found: {', '.join(sorted(written)) or 'nothing'}); it could not be loaded"
        )
    # A pickle runs code when it is loaded; nobody should have to trust this file.
    unsafe = sorted(name for name in written if name.endswith((".bin", ".pt", ".pkl", ".pth")))
    if unsafe:
        raise ModelError(
            f"the {noun} was saved as {', '.join(unsafe)}; only safetensors is exported"
        )


def _check_equal(difference: float, tolerance: float, folder: Path, *, noun: str) -> None:
    # NaN compares false with everything, so the question is asked this way round.
    if math.isfinite(difference) and difference <= tolerance:
        return
    raise ModelError(
        f"{folder}: the {noun}, loaded again, does not answer as the trained model does (largest "
        f"difference of a logit {difference:g}, tolerated {tolerance:g}); nothing was exported"
    )


def _record(
    written: Path, folder: Path, kind: str, *, difference: float, tolerance: float
) -> ExportRecord:
    paths = sorted(path for path in written.rglob("*") if path.is_file())
    return ExportRecord(
        kind=kind,
        folder=folder,
        files=folder_digests(written),
        total_bytes=sum(path.stat().st_size for path in paths),
        max_logit_difference=difference,
        tolerance=tolerance,
    )


def _replace(temporary: Path, folder: Path) -> None:
    """Put the finished folder in its place; at no moment is half a model there."""
    if not folder.exists():
        os.replace(temporary, folder)
        return
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    os.replace(folder, old)
    try:
        os.replace(temporary, folder)
    except OSError:
        os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)  # the new model is in its place already
