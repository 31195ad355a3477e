"""Finished stages on disk, so that a killed run goes on and ends with the same numbers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from transferlab.core.checkpoint import load_checkpoint, save_checkpoint, verify_checkpoint
from transferlab.core.files import replace_file
from transferlab.core.integrity import DamagedFile, check_seal, seal, set_aside
from transferlab.core.records import DomainScore, TaskScore
from transferlab.errors import EnvironmentProblem, InputError
from transferlab.pipeline.stage_facts import StageFacts

NAMED = 4
"""Stages that a sentence names; the others are counted."""


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
    """One JSON record and one optional tensor file per finished stage, under ``out/stages``.

    A record holds the facts that decided its numbers; one whose facts are other now is not used.
    Both files carry digests: a damaged one is set aside, and its stage made anew.
    """

    @classmethod
    def of_finished(cls, out: Path, facts: StageFacts, *, needed: str) -> StageStore:
        """The stages of a run that has ended.

        Args:
            out: the run's directory.
            facts: of the experiment as it is now.
            needed: a stage that must be there.

        Raises:
            InputError: it is not there, or was made by what would now give other numbers.
        """
        folder = out / "stages"
        if not _path(folder, needed, "json").exists():
            raise InputError(f"{out}: its stages are not there any more; run the pipeline again")
        store = cls(out, facts)
        if store._read(needed) is None:
            raise InputError(
                f"{out}: its stage {needed} was damaged; run the pipeline again with this --out, "
                "which makes it anew"
            )
        changed = store.changed(needed)
        if changed:
            raise InputError(
                f"{out}: was made with other data, another backbone or another version of "
                f"transferlab than are here now ({', '.join(changed)}); bring those back, or run "
                "the pipeline again"
            )
        return store

    def __init__(self, out: Path, facts: StageFacts) -> None:
        """
        Raises:
            EnvironmentProblem: ``out`` cannot be written.
        """
        self._folder, self._facts = out / "stages", facts
        self._verified: set[str] = set()
        """Stages whose tensors were found sound; a large file is not read twice for its digest."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder):
                pass
        except OSError as error:
            raise EnvironmentProblem(
                f"{out}: the output directory cannot be written ({error.strerror}); "
                "choose another --out"
            ) from error

    def load(self, stage: str) -> dict[str, Any] | None:
        """The record of a finished stage, or None where there is none that fits."""
        found = self._read(stage)
        if found is None or self.changed(stage):
            return None
        if found["has_state"] and not self._state_is_sound(stage):
            return None
        return found["record"]

    def changed(self, stage: str) -> list[str]:
        """What has changed since a stage was made; empty where it fits, or is not there."""
        found = self._read(stage)
        if found is None:
            return []
        before, now = found.get("facts", {}), self._facts.of(stage)
        return sorted(name for name in before.keys() | now if before.get(name) != now.get(name))

    def load_state(self, stage: str) -> dict[str, Any]:
        """The tensors and plain values saved with a stage; nothing in the file is executed.

        Raises:
            ModelError: they are not there, or damaged.
        """
        return load_checkpoint(self._path(stage, "pt"), verified=stage in self._verified)

    def save(
        self, stage: str, record: Mapping[str, Any], state: Mapping[str, Any] | None = None
    ) -> None:
        """Keep a stage. The record is written last: it is what says that the stage is finished."""
        path = self._path(stage, "json")
        if state is not None:
            path.unlink(missing_ok=True)  # or it would stand beside tensors that are not its own
            self._verified.discard(stage)
            save_checkpoint(self._path(stage, "pt"), state)
        content = {
            "stage": stage,
            "facts": self._facts.of(stage),
            "has_state": state is not None,
            "record": dict(record),
        }
        self._write(path, json.dumps(seal(content)).encode())
        for unfinished in self._folder.glob(f"{path.stem}.*.unfinished"):
            unfinished.unlink(missing_ok=True)

    def unfinished(self, stage: str) -> Path:
        """Where a stage keeps what it has come to; removed when the stage is saved.

        Its name says by which facts it was made, so that other settings never go on from it.
        """
        return self._path(stage, f"{self._digest(stage)}.unfinished")

    def curve(self, stage: str) -> Path:
        """Where the training metrics of a stage are kept, under a name that says the same."""
        return self._path(stage, f"{self._digest(stage)}.curve")

    def _digest(self, stage: str) -> str:
        text = json.dumps(self._facts.of(stage), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def reuse(self) -> Reuse:
        """Which finished stages fit, and why the others are made anew."""
        fitting, anew = [], {}
        for file in sorted(self._folder.glob("*.json")):
            found = self._read_file(file)
            if found is None:
                continue
            stage = found["stage"]
            try:
                changed = self.changed(stage)
            except (ValueError, KeyError, IndexError):
                continue  # of another pipeline in the same folder: there is no such stage here
            if changed:
                anew[stage] = changed
            else:
                fitting.append(stage)
        return Reuse(fitting=fitting, anew=anew)

    def _read(self, stage: str) -> dict[str, Any] | None:
        return self._read_file(self._path(stage, "json"))

    def _read_file(self, path: Path) -> dict[str, Any] | None:
        """A stage's whole record; None where there is none, or none that can be believed."""
        if not path.exists():
            return None
        try:
            found = check_seal(path.read_bytes())
            if not {"stage", "facts", "has_state", "record"} <= found.keys():
                raise DamagedFile("it is no record of a stage")
        except DamagedFile as error:
            set_aside(path, str(error))
            return None
        return found

    def _state_is_sound(self, stage: str) -> bool:
        """Whether a stage's tensors are as they were written; a damaged file is set aside."""
        path = self._path(stage, "pt")
        try:
            if stage not in self._verified:
                verify_checkpoint(path)
        except DamagedFile as error:
            if path.exists():
                set_aside(path, str(error))
            self._path(stage, "json").unlink(missing_ok=True)  # no finished stage without tensors
            return False
        self._verified.add(stage)
        return True

    def _path(self, stage: str, suffix: str) -> Path:
        return _path(self._folder, stage, suffix)

    def _write(self, path: Path, content: bytes) -> None:
        with replace_file(path) as partial:
            partial.write_bytes(content)


@dataclass(frozen=True, kw_only=True)
class Reuse:
    """What of an output directory's finished work is used again."""

    fitting: list[str]
    """Stages whose records are used."""
    anew: dict[str, list[str]]
    """Stages that are made anew, each with what has changed since."""

    def sentences(self) -> list[str]:
        """For people; empty where there is no finished work."""
        lines = []
        if self.fitting:
            lines.append(f"going on with {len(self.fitting)} finished stage(s)")
        by_reason: dict[tuple[str, ...], list[str]] = {}
        for stage, changed in self.anew.items():
            by_reason.setdefault(tuple(changed), []).append(stage)
        for reasons, stages in by_reason.items():
            named = ", ".join(stages[:NAMED]) + (", ..." if len(stages) > NAMED else "")
            lines.append(
                f"made anew, because of {', '.join(reasons)}: {len(stages)} stage(s) ({named})"
            )
        return lines


def read_stage(out: Path, stage: str) -> dict[str, Any] | None:
    """The record of a stage as a run has left it, whatever would be made of it now.

    Returns:
        None where there is none, or none that can be believed.
    """
    try:
        found = check_seal(_path(out / "stages", stage, "json").read_bytes())
    except (FileNotFoundError, DamagedFile):
        return None
    record = found.get("record")
    return record if isinstance(record, dict) else None


def _path(folder: Path, stage: str, suffix: str) -> Path:
    return folder / f"{stage.replace('/', '--')}.{suffix}"


def score_to_record(score: DomainScore) -> dict[str, Any]:
    return dataclasses.asdict(score)


def score_from_record(record: Mapping[str, Any]) -> DomainScore:
    tasks = {name: TaskScore(**task) for name, task in record["tasks"].items()}
    return DomainScore(**{**record, "tasks": tasks})
