"""Files and a question, as samples that a backbone answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from transferlab.config.privacy import PrivacySection
from transferlab.config.source import MediaSection
from transferlab.core.records import MEDIA_SLOT, MediaKind, Sample, TaskKind
from transferlab.core.registry import did_you_mean
from transferlab.domain.base.rows import WHERE, BadRow, Row
from transferlab.domain.base.template import columns_of, fill, with_slots
from transferlab.domain.media.dicom_files import list_dicom_files
from transferlab.domain.media.resolver import MediaResolver
from transferlab.errors import InputError

Prompts = Mapping[str, Any]
"""By domain and task, how a model was asked, as ``prompts.json`` of an export has it."""
OWN = "own"
"""Domain and task of a question that somebody typed."""
_PLACEHOLDER = "?"
"""Stands where a sample has its answer, which nobody knows yet and nothing reads."""
_SUFFIXES: dict[str, tuple[str, ...]] = {
    "image": (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    "video": (".mp4", ".mkv", ".webm", ".mov", ".avi", ".ogv"),
}
"""Files of a folder that are looked at as a kind of medium. DICOM files are known otherwise: an
archive names them by their UID, which has no suffix or ends in a number."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of each file."""

    domain: str
    task: str
    kind: TaskKind
    prompt: str
    """A template with one mark ``<name>`` for the file, and columns in braces; of a question that
    somebody typed the text alone, which follows the file."""
    choices: tuple[str, ...]
    media: MediaSection
    privacy: PrivacySection = field(default_factory=PrivacySection)

    @property
    def identity(self) -> list[Any]:
        """What tells it from other questions, as plain data."""
        return [
            self.domain,
            self.task,
            self.prompt,
            self.choices,
            self.media.model_dump(),
            self.privacy.burned_in,
        ]

    @property
    def columns(self) -> list[str]:
        """What the template asks for."""
        if self.task == OWN:
            return []
        return columns_of(self.prompt, where=f"task '{self.task}'")

    def filled(self, row: Row) -> str:
        """The prompt with a slot for the file.

        Raises:
            BadRow: the row lacks a column.
        """
        if self.task == OWN:
            return f"{MEDIA_SLOT}\n{self.prompt}"
        return fill(with_slots(self.prompt), row)


def question_of(
    prompts: Prompts, *, domain: str | None, task: str | None, kind: MediaKind
) -> Question:
    """The question of a task that a model was trained on.

    Args:
        prompts: as an export has them.
        domain: None where the model knows one with the task.
        task: None where that domain has one alone.
        kind: of the files that it is asked about.

    Raises:
        InputError: there is no such task, there are several, it shows another kind of medium, none
            or several, or it has no answer (retrieval) or no choices of its own.
    """
    name, label, entry = _entry(prompts, domain, task)
    where = f"task '{label}' of '{name}'"
    _check_askable(entry, where=where)
    try:
        (shown,) = entry["media"].values()
        section = MediaSection.model_validate({**shown, "path": "{file}"})
    except ValidationError as error:
        raise InputError(
            f"{where}: prompts.json describes no medium ({error.errors()[0]['msg']}); export the "
            "model again"
        ) from None
    if section.kind != kind:
        raise InputError(
            f"{where}: was trained on {section.kind}, not on {kind}: give --{section.kind}"
        )
    burned_in = entry.get("burned_in")
    return Question(
        domain=name,
        task=label,
        kind=entry["kind"],
        prompt=entry["prompt"],
        choices=tuple(entry.get("choices") or ()),
        media=section,
        privacy=PrivacySection(dicom="deidentify", burned_in=burned_in)
        if burned_in
        else PrivacySection(),
    )


def _check_askable(entry: Mapping[str, Any], *, where: str) -> None:
    """Whether a task can be asked about one file after the other.

    Raises:
        InputError: it shows no medium or several, or has no answer or no choices of its own.
    """
    media = entry.get("media") or {}
    if len(media) != 1:
        raise InputError(
            f"{where}: shows {len(media)} media, and files are asked about one by one; ask with "
            "--prompt"
        )
    if entry["kind"] == "retrieve":
        raise InputError(
            f"{where}: finds its answer among those of a whole split; ask with --prompt"
        )
    if entry["kind"] == "classify" and not entry.get("choices"):
        raise InputError(
            f"{where}: each of its samples has its own choices; ask with --prompt and --choice"
        )


def _entry(
    prompts: Prompts, domain: str | None, task: str | None
) -> tuple[str, str, Mapping[str, Any]]:
    """Domain, task and how it is asked."""
    every = [(name, label, one) for name, tasks in prompts.items() for label, one in tasks.items()]
    found = [one for one in every if domain in (None, one[0]) and task in (None, one[1])]
    if not found:
        asked = "/".join(filter(None, (domain, task))) or "a task"
        near = did_you_mean(task or domain or "", [*prompts, *(label for _, label, _ in every)])
        known = ", ".join(f"{name}/{label}" for name, label, _ in every)
        raise InputError(
            f"{asked}: this model was trained on no such task.{near} It knows: {known or 'none'}. "
            "Ask a question of your own with --prompt"
        )
    if len(found) > 1:
        named = ", ".join(f"{name}/{label}" for name, label, _ in found)
        raise InputError(f"several tasks fit ({named}): name one with --domain and --task")
    return found[0]


def own_question(prompt: str, *, choices: Sequence[str], kind: MediaKind, frames: int) -> Question:
    """A question that somebody typed, put after the file.

    Raises:
        InputError: it is empty, or has one choice alone.
    """
    if not prompt.strip():
        raise InputError("--prompt: is empty; say what the model is to answer")
    if len(set(choices)) == 1:
        raise InputError("--choice: one alone leaves nothing to choose; give two or more, or none")
    if MEDIA_SLOT in prompt:
        raise InputError(
            f"--prompt: '{MEDIA_SLOT}' marks a medium; leave it out, the file comes first"
        )
    return Question(
        domain=OWN,
        task=OWN,
        kind="classify" if choices else "answer",
        prompt=prompt,
        choices=tuple(dict.fromkeys(choices)),
        media=MediaSection(kind=kind, path="{file}", frames=frames if kind == "video" else 1),
    )


def files_of(given: Sequence[Path], kind: MediaKind) -> list[Path]:
    """The files meant: those named, and of a folder all that may be of the kind, sorted.

    Raises:
        InputError: one is not there, or a folder holds none.
    """
    found: dict[Path, None] = {}
    for one in given:
        if one.is_dir():
            inside = list(_inside(one, kind))
            if not inside:
                raise InputError(f"{one}: holds no files of kind {kind}")
            found |= dict.fromkeys(inside)
        elif one.exists():
            found[one] = None
        else:
            raise InputError(f"{one}: there is no such file or folder")
    return list(found)


def _inside(folder: Path, kind: MediaKind) -> Iterator[Path]:
    """A folder's files that may be of the kind, named as the folder was; DICOM as in training."""
    if kind == "dicom":
        base = folder.resolve()
        for path in list_dicom_files(folder, folder):
            yield folder / path.relative_to(base)
        return
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _SUFFIXES[kind] and path.is_file():
            yield path


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A file about which nothing can be asked."""

    file: Path
    reason: str


def samples_of(
    question: Question, files: Sequence[Path], values: Mapping[str, str]
) -> Iterator[Sample | Unreadable]:
    """The question about each file, in order; a file is opened and looked at when its turn comes.

    Args:
        values: by column of the prompt's template, after ``check_values``; the same for all files.
    """
    for file in files:
        folder = file.resolve().parent
        resolver = MediaResolver(folder, privacy=question.privacy)
        row = {**values, "file": file.resolve().name, WHERE: str(file)}
        try:
            ref = resolver.reference(question.media, row)
            prompt = question.filled(row)
        except BadRow as error:
            yield Unreadable(file=file, reason=str(error))
            continue
        yield Sample(
            id=str(file),
            domain=question.domain,
            task=question.task,
            kind=question.kind,
            media=(ref,),
            prompt=prompt,
            answer=question.choices[0] if question.choices else _PLACEHOLDER,
            choices=question.choices,
        )


def check_values(question: Question, values: Mapping[str, str]) -> None:
    """Compare what a prompt asks for with what was given.

    Raises:
        InputError: the prompt names a column that has no value, or a value names none.
    """
    wanted = question.columns
    missing = [column for column in wanted if column not in values]
    if missing:
        raise InputError(
            f"the prompt of '{question.task}' asks for {', '.join(missing)}: give "
            f"--value {missing[0]}=..."
        )
    for column in values:
        if column not in wanted:
            raise InputError(
                f"--value {column}: the prompt of '{question.task}' has no such column; it has "
                f"{', '.join(wanted) or 'none'}"
            )
