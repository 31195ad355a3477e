"""Finished stages on disk, so that a killed run goes on and ends with the same numbers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from transferlab import __version__
from transferlab.config.pipeline import PipelineConfig
from transferlab.core.checkpoint import load_checkpoint, save_checkpoint
from transferlab.core.records import DomainScore, TaskScore
from transferlab.errors import EnvironmentProblem, InputError

MARKER = "experiment.json"


def experiment_digest(
    config: PipelineConfig, domain_digests: Mapping[str, str], *, weights: str
) -> str:
    """SHA-256 of everything that decides the numbers: config, domains, weights and this version.

    Where results are tracked and exported to decides none of them, nor where the data lie or are
    cached, nor how often a domain is written down; and an arm's numbers do not depend on which
    other arms run, so that one can be added later.
    """
    whole = dict.fromkeys(("tracking", "export", "data_root", "arms"), True)
    keys = {"data": {"cache_media", "cache_gigabytes"}, "train": {"checkpoint_steps"}}
    settings = config.model_dump(mode="json", exclude=whole | keys)
    text = json.dumps([settings, dict(domain_digests), weights, __version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Keep a second process out of a run's directory; the lock falls with the process.

    Raises:
        InputError: another run works there.
    """
    try:
        with FileLock(out / "run.lock", blocking=False):
            yield
    except Timeout:
        raise InputError(f"{out}: another run works in it; choose another --out") from None


class StageStore:
    """One JSON record and one optional tensor file per finished stage, under ``out/stages``."""

    @classmethod
    def of_finished(cls, out: Path, digest: str) -> StageStore:
        """The stages of a run that has ended.

        Raises:
            InputError: they are not there, or were made by what would now give other numbers.
        """
        marker = out / "stages" / MARKER
        if not marker.exists():
            raise InputError(f"{out}: its stages are not there any more; run the pipeline again")
        if json.loads(marker.read_text("utf-8"))["digest"] != digest:
            raise InputError(
                f"{out}: was made with other data, another backbone or another version of "
                "transferlab than are here now; bring those back, or run the pipeline again"
            )
        return cls(out, digest)

    def __init__(self, out: Path, digest: str) -> None:
        """
        Raises:
            InputError: ``out`` holds the stages of another experiment.
            EnvironmentProblem: ``out`` cannot be written.
        """
        self._folder = out / "stages"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            marker = self._folder / MARKER
            if marker.exists():
                if json.loads(marker.read_text("utf-8"))["digest"] != digest:
                    raise InputError(
                        f"{out}: holds the stages of another experiment (its settings, data, "
                        "backbone or version differ); choose another --out or remove it"
                    )
            else:
                self._write(marker, json.dumps({"digest": digest}).encode())
        except OSError as error:
            raise EnvironmentProblem(
                f"{out}: the output directory cannot be written ({error.strerror}); "
                "choose another --out"
            ) from error

    def load(self, stage: str) -> dict[str, Any] | None:
        """The record of a finished stage, or None."""
        path = self._path(stage, "json")
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    def load_state(self, stage: str) -> dict[str, Any]:
        """The tensors and plain values saved with a stage; nothing in the file is executed."""
        return load_checkpoint(self._path(stage, "pt"))

    def save(
        self, stage: str, record: Mapping[str, Any], state: Mapping[str, Any] | None = None
    ) -> None:
        """Keep a stage. The record is written last: it is what says that the stage is finished."""
        if state is not None:
            save_checkpoint(self._path(stage, "pt"), state)
        self._write(self._path(stage, "json"), json.dumps(record).encode())
        self.unfinished(stage).unlink(missing_ok=True)

    def unfinished(self, stage: str) -> Path:
        """Where a stage keeps what it has come to; removed when the stage is saved."""
        return self._path(stage, "unfinished")

    def _path(self, stage: str, suffix: str) -> Path:
        return self._folder / f"{stage.replace('/', '--')}.{suffix}"

    def _write(self, path: Path, content: bytes) -> None:
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
            file.write(content)
        os.replace(file.name, path)


def score_to_record(score: DomainScore) -> dict[str, Any]:
    return dataclasses.asdict(score)


def score_from_record(record: Mapping[str, Any]) -> DomainScore:
    tasks = {name: TaskScore(**task) for name, task in record["tasks"].items()}
    return DomainScore(**{**record, "tasks": tasks})
