"""From what the user typed to a pipeline in which nothing is known to be wrong."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from transferlab.config.pipeline import EvaluationSection, PipelineConfig
from transferlab.errors import EnvironmentProblem, InputError
from transferlab.tracking.connection import UNSENT_FILE

RESULT = "result.json"


def checked_pipeline(
    path: Path, *, overrides: Sequence[str], domains: Sequence[Path]
) -> PipelineConfig:
    """Load a pipeline and compare it with the domains, strategies and metrics that there are.

    Raises:
        InputError: with every problem, each under its file and line or its --set.
    """
    from transferlab.pipeline.validation import load_pipeline

    return load_pipeline(path, overrides=overrides, domains=domains)


def prepare_output(given: Path | None, *, name: str, overwrite: bool) -> Path:
    """The directory that a run writes into, made and tried.

    Args:
        given: --out; None makes ``runs/<name>-<time>``.
        name: the pipeline's.
        overwrite: the directory may hold a result.

    Raises:
        InputError: the directory holds a result and ``overwrite`` is off.
        EnvironmentProblem: the directory cannot be made or written.
    """
    out = given or _new_folder(Path("runs"), name)
    try_writing(out)
    result = out / RESULT
    # A run that its tracking server lacks is given again to send it.
    if result.exists() and not overwrite and not (out / UNSENT_FILE).exists():
        raise InputError(
            f"{result}: this directory holds a finished run; choose another --out, or add "
            "--overwrite to run again into it"
        )
    return out


def evaluation_section(**given: Any) -> EvaluationSection:
    """What a command's options say of scoring.

    Raises:
        InputError: one of them is none of its values.
    """
    try:
        return EvaluationSection.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise InputError(f"--{option} {first['input']}: {first['msg']}") from None


def export_targets(runs: Sequence[Path], to: Path | None) -> dict[Path, Path | None]:
    """Where each run's model goes: several runs into one place keep a folder each, by their name.

    Raises:
        InputError: a directory holds no result, or two are of one name.
    """
    for folder in runs:
        if not (folder / RESULT).is_file():
            raise InputError(f"{folder}: holds no {RESULT}; name the output directory of a run")
    if to is None or len(runs) == 1:
        return dict.fromkeys(runs, to)
    targets: dict[Path, Path | None] = {folder: to / folder.resolve().name for folder in runs}
    if len(set(targets.values())) < len(runs):
        raise InputError(
            f"--to {to}: two of the runs' directories have the same name and would be written over "
            "each other; export them one by one"
        )
    return targets


def _new_folder(parent: Path, name: str) -> Path:
    """A folder that no other run has, also when several start in one second."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    number = 1
    while True:
        folder = parent / (f"{name}-{stamp}" if number == 1 else f"{name}-{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not parent.is_dir():
                raise _not_writable(parent, "it is a file") from None
            number += 1
        except OSError as error:
            raise _not_writable(folder, error.strerror or str(error)) from None
        else:
            return folder


def try_writing(out: Path) -> None:
    """Make the directory and a file in it.

    Raises:
        EnvironmentProblem: one of them cannot be made.
    """
    probe = out / f".write-probe-{os.getpid()}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _not_writable(out, error.strerror or str(error)) from None


def _not_writable(folder: Path, reason: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{folder}: cannot be written ({reason}); choose another directory with --out"
    )
