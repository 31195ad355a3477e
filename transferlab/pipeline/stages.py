"""Finished stages on disk, so that a killed run goes on and ends with the same numbers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from transferlab import __version__
from transferlab.config.pipeline import PipelineConfig
from transferlab.core.records import DomainScore, TaskScore
from transferlab.errors import EnvironmentProblem, InputError


def experiment_digest(config: PipelineConfig, domain_digests: Mapping[str, str]) -> str:
    """SHA-256 of everything that decides the numbers: the config, the domains and this version.

    Where results are tracked and exported to decides none of them, nor where the data lie or are
    cached; and an arm's numbers do not depend on which other arms run, so that one can be added
    later.
    """
    out = {"tracking", "export", "data_root", "arms"}
    cache = {"data": {"cache_media", "cache_gigabytes"}}
    settings = config.model_dump(mode="json", exclude=dict.fromkeys(out, True) | cache)
    text = json.dumps([settings, dict(domain_digests), __version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class StageStore:
    """One JSON record and one optional tensor file per finished stage, under ``out/stages``."""

    def __init__(self, out: Path, digest: str) -> None:
        """
        Raises:
            InputError: ``out`` holds the stages of another experiment.
            EnvironmentProblem: ``out`` cannot be written.
        """
        self._folder = out / "stages"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            marker = self._folder / "experiment.json"
            if marker.exists():
                found = json.loads(marker.read_text("utf-8"))["digest"]
                if found != digest:
                    raise InputError(
                        f"{out}: holds the stages of another experiment (its settings, data or "
                        "version differ); choose another --out or remove it"
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
        return torch.load(self._path(stage, "pt"), weights_only=True)

    def save(
        self, stage: str, record: Mapping[str, Any], state: Mapping[str, Any] | None = None
    ) -> None:
        """Keep a stage. The record is written last: it is what says that the stage is finished."""
        if state is not None:
            path = self._path(stage, "pt")
            beside = path.with_suffix(".partial")
            torch.save(dict(state), beside)
            os.replace(beside, path)
        self._write(self._path(stage, "json"), json.dumps(record).encode())

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
