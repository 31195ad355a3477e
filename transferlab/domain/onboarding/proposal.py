"""A domain.yaml for a folder that nobody has described yet: a proposal for the user to correct."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from transferlab.config.section import NAME_PATTERN
from transferlab.domain.base.rows import LISTED, Row
from transferlab.domain.base.template import is_nameable
from transferlab.domain.onboarding.columns import summarize_columns
from transferlab.domain.onboarding.survey import (
    MARKS,
    Match,
    Survey,
    match_files,
    read_as_found,
    survey,
    upcast,
)
from transferlab.domain.onboarding.task_proposal import Questions, questions_of
from transferlab.domain.onboarding.video_proposal import FRAMES, propose_video
from transferlab.domain.rows.chat_keys import FORMS
from transferlab.domain.sources.chat import read_chat
from transferlab.domain.tables.text_file import UTF8
from transferlab.domain.validation.settings import NOT_STATED
from transferlab.errors import DataError, InputError

RegisterKind = Literal["table", "dicom", "chat", "video", "webdataset", "huggingface"]
KINDS: tuple[RegisterKind, ...] = get_args(RegisterKind)


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a folder seems to be."""

    settings: dict[str, Any]
    """The content of domain.yaml."""
    notes: list[str] = field(default_factory=list)
    """What the user should look at, and why."""


def propose(
    path: Path, *, name: str | None = None, kind: RegisterKind | None = None, licence: str = ""
) -> Proposal:
    """Look at a folder, a table or a file of conversations.

    Args:
        path: where the data are.
        name: of the domain; None makes one of the path's.
        kind: what to take the data for; None finds out.
        licence: under which terms the data are used.

    Raises:
        InputError: there is nothing that can be registered; the message says what was looked for.
        DataError: a table cannot be read.
    """
    found = upcast(survey(path))
    chosen = kind or _kind_of(found, path)
    name = name or domain_name(path)
    source, questions = _source_of(chosen, found, path, name=name)
    splits = {"column": questions.split} if questions.split else _split_shares(questions)
    settings = {
        "name": name,
        "version": 1,
        "title": f"{words(path.resolve().stem).capitalize()} ({chosen})",
        "field": NOT_STATED,
        "licence": licence or NOT_STATED,
        "data_root": str(found.root),
        "source": source,
        "group": questions.group,
        "splits": splits,
        "attributes": questions.attributes,
        "tasks": questions.tasks,
    }
    notes = list(questions.notes)
    if not licence:
        notes.append("licence: state the terms under which the data may be used")
    return Proposal(settings=settings, notes=notes)


def _source_of(
    kind: RegisterKind, found: Survey, path: Path, *, name: str
) -> tuple[dict[str, Any], Questions]:
    # Imported when it is needed: it brings pydicom.
    if kind == "dicom":
        from transferlab.domain.onboarding.dicom_proposal import propose_dicom

        return propose_dicom(found)
    if kind in ("webdataset", "huggingface"):
        from transferlab.domain.onboarding.shard_proposal import propose_saved, propose_shards

        return (propose_saved if kind == "huggingface" else propose_shards)(found, name)
    return {"chat": _chat, "table": _table, "video": propose_video}[kind](found, path)


def domain_name(path: Path) -> str:
    """A name that a domain may have, made of a path's last part."""
    made = re.sub(r"[^a-z0-9_-]+", "-", path.resolve().stem.lower()).strip("-_")
    return made if re.match(NAME_PATTERN, made) else "my-data"


def words(name: str) -> str:
    """A name as words."""
    return " ".join(re.sub(r"[_\-]+", " ", name).split())


def _split_shares(questions: Questions) -> dict[str, Any]:
    assigned: dict[str, Any] = {"train": 0.7, "validation": 0.1, "test": 0.2, "seed": 0}
    return assigned | ({"stratify": questions.stratify} if questions.stratify else {})


def _kind_of(found: Survey, path: Path) -> RegisterKind:
    if found.saved:
        return "huggingface"
    if _chat_files(found):
        return "chat"
    if found.dicoms and len(found.dicoms) >= len(found.pictures) + len(found.videos):
        return "dicom"
    if _media_table(found) is not None:
        return "table"
    if found.videos:
        return "video"
    if found.shards:
        return "webdataset"
    refused = _refused_chat(found)
    if refused:
        raise InputError(f"{path}: {refused}")
    tables = f" and the tables {', '.join(found.tables[:3])}" if found.tables else ""
    raise InputError(
        f"{path}: found {len(found.pictures)} pictures, {len(found.videos)} films, "
        f"{len(found.dicoms)} DICOM files{tables}, but no table with a column of "
        f"those files' names{found.advice}; add such a column, or say what it is with --kind"
    )


def _chat_files(found: Survey) -> list[str]:
    """JSON files whose first item is a conversation."""
    return [
        name
        for name in found.tables
        if name.lower().endswith((".json", ".jsonl")) and _is_chat(found.root / name)
    ]


def _is_chat(path: Path) -> bool:
    try:
        rows, bad = read_chat(path)
    except DataError:
        return False
    return len(rows) > len(bad)


def _refused_chat(found: Survey) -> str:
    """Why conversations are none that can be learned from; empty where no file looks like some."""
    for name in found.tables:
        path = found.root / name
        if not name.lower().endswith((".json", ".jsonl")):
            continue
        try:
            (first, *_), _ = read_as_found(path)
            rows, bad = read_chat(path)
        except (DataError, ValueError):  # no rows, or of another kind
            continue
        if bad and set(first) & {*FORMS, "query", "instruction"}:
            where, reason = bad[0]
            return (
                f"of the {len(rows) + len(bad)} conversations in {name}, {len(bad)} cannot be "
                f"used; {where}: {reason}"
            )
    return ""


def _chat(found: Survey, path: Path) -> tuple[dict[str, Any], Questions]:
    files = _chat_files(found)
    if not files:
        raise InputError(f"{path}: no .json or .jsonl file in it holds conversations")
    rows, bad = read_chat(found.root / files[0])
    media: dict[str, Any] = {}
    for kind in ("image", "video"):
        shown = [p for row in rows for k, p in json.loads(row[LISTED]) if k == kind]
        if shown:
            match = match_files(shown, {kind: found.media()[kind]})
            media[kind] = _medium(kind, match.template("path") if match else "{path}")
    task: dict[str, Any] = {"kind": "answer", "prompt": "{prompt}", "answer": "{answer}"}
    task |= {"metrics": ["token_f1", "exact_match"]}
    notes = [f"source.path: {', '.join(files[1:])} also hold conversations"] if files[1:] else []
    if bad:
        notes.append(f"{len(bad)} of {len(rows) + len(bad)} conversations cannot be used")
    if any(row["turn"] != "1" for row in rows):
        notes.append(
            "source.options: each answer is a sample, after what was said before it; "
            "{answers: all} trains all answers of a conversation in one"
        )
    source = {"kind": "chat", "path": files[0], "media": media}
    return source, Questions(group="about", tasks={"talk": task}, notes=notes)


@dataclass(frozen=True, kw_only=True)
class _MediaTable:
    """A table with columns of media files."""

    name: str
    encoding: str
    rows: list[Row]
    columns: dict[str, Match]


def _media_table(found: Survey) -> _MediaTable | None:
    """The first table with a column of media files.

    Raises:
        DataError: none has, and one of them cannot be read.
    """
    fault: DataError | None = None
    for name in found.tables:
        try:
            rows, encoding = read_as_found(found.root / name)
        except DataError as error:
            fault = fault or error  # of several tables, it may be something else
            continue
        columns = {
            column: match
            for column, one in summarize_columns(rows).items()
            if is_nameable(column)
            if (match := match_files(one.counts, found.media(), root=found.root)) is not None
        }
        if columns:
            return _MediaTable(name=name, encoding=encoding, rows=rows, columns=columns)
    if fault is not None:
        raise fault
    return None


def _sample(rows: list[Row]) -> str:
    """A value that holds a letter beyond ASCII, where there is one."""
    values = (value for row in rows for name, value in row.items() if not name.startswith("_"))
    shown = next((value for value in values if not value.isascii()), "")
    return f', such as "{shown[:40]}"' if shown else ""


def _table(found: Survey, path: Path) -> tuple[dict[str, Any], Questions]:
    chosen = _media_table(found)
    if chosen is None:
        raise InputError(
            f"{path}: no table in it has a column whose values are the names of media files there"
        )
    matches = chosen.columns
    column, match = max(matches.items(), key=lambda item: item[1].share)
    mark = MARKS[match.kind]
    source = {
        "kind": "table",
        "path": chosen.name,
        "media": {mark: _medium(match.kind, match.template(column))},
    }
    questions = questions_of(chosen.rows, mark=mark, media_columns=list(matches), medium=column)
    if chosen.encoding != UTF8:
        source["encoding"] = chosen.encoding
        questions.notes.append(
            f"source.encoding: {chosen.name} is not UTF-8 and reads best as {chosen.encoding}"
            f"{_sample(chosen.rows)}; see whether its letters come out right"
        )
    if match.rewritten:
        questions.notes.append(
            f"source.media.{mark}: {column} holds backslashes or absolute paths; they are read as "
            "paths under the data root"
        )
    if match.share < 1:
        questions.notes.append(
            f"source.media.{mark}: {1 - match.share:.0%} of the values looked at are no files"
        )
    others = [one for one in matches if one != column]
    if others:
        questions.notes.append(f"source.media: {', '.join(others)} also name media files")
    return source, questions


def _medium(kind: str, template: str) -> dict[str, Any]:
    return {"kind": kind, "path": template} | ({"frames": FRAMES} if kind == "video" else {})
