"""Proposals for data that are packed: tar shards, and datasets that a library saved."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from transferlab.config.source import SourceSection
from transferlab.domain.base.archive_members import SHARD
from transferlab.domain.base.rows import Row
from transferlab.domain.base.template import is_nameable
from transferlab.domain.onboarding.columns import summarize_columns
from transferlab.domain.onboarding.survey import MARKS, Survey
from transferlab.domain.onboarding.task_proposal import Questions, questions_of
from transferlab.domain.sources.huggingface import unpack_dataset
from transferlab.domain.sources.table import PART
from transferlab.domain.sources.webdataset import stream_shards
from transferlab.domain.tables.reader import stream_table
from transferlab.errors import InputError

MAX_ROWS = 2000
"""Rows that a proposal is made of: of shards, all would have to be read."""


def propose_shards(found: Survey, name: str) -> tuple[dict[str, Any], Questions]:
    """The source and the questions of WebDataset shards.

    Raises:
        InputError: there is no shard, or nothing can be asked about its samples.
        DataError: a shard is damaged.
    """
    if not found.shards:
        raise InputError(f"{found.root}: holds no {SHARD} shard")
    path = found.shards[0] if len(found.shards) == 1 else "."
    rows = list(islice(stream_shards(found.root / path, found.root, pattern=f"*{SHARD}"), MAX_ROWS))
    source = {"kind": "webdataset", "path": path}
    return _proposed(found, source, rows, shown=_members(found, rows))


def propose_saved(found: Survey, name: str) -> tuple[dict[str, Any], Questions]:
    """The source and the questions of a dataset that ``save_to_disk`` wrote.

    Raises:
        InputError: nothing can be asked about its rows.
        DataError: the dataset cannot be read.
    """
    settings: dict[str, Any] = {"kind": "huggingface", "path": "."}
    root = unpack_dataset(name, SourceSection(**settings), found.root, file=found.root)
    rows = [
        row | {PART: table.stem}
        for table in sorted(root.glob("*.jsonl"))
        for row in islice(stream_table(table), MAX_ROWS)
    ]
    return _proposed(found, settings, rows, shown=_files(found, rows, root))


def _proposed(
    found: Survey, source: dict[str, Any], rows: Sequence[Row], *, shown: dict[str, str]
) -> tuple[dict[str, Any], Questions]:
    """``shown``: the kind of medium of every column that holds one."""
    if not shown:
        raise InputError(f"{found.root}: none of its columns holds pictures, films or DICOM files")
    medium, kind = next(iter(shown.items()))
    mark = MARKS[kind]
    frames = {"frames": 4} if kind == "video" else {}
    source["media"] = {mark: {"kind": kind, "path": f"{{{medium}}}"} | frames}
    questions = questions_of(rows, mark=mark, media_columns=[*shown, "key"], medium=medium)
    if len(rows) >= MAX_ROWS:
        questions.notes.append(f"tasks: made of the first {MAX_ROWS:,} rows; there are more")
    if len(shown) > 1:
        questions.notes.append(f"source.media: {', '.join(list(shown)[1:])} also hold media")
    return source, questions


def _members(found: Survey, rows: Sequence[Row]) -> dict[str, str]:
    kinds = {
        name: _kind(found, f".{name.rpartition('.')[2]}")
        for name in summarize_columns(rows)
        if is_nameable(name)
    }
    shards = tuple(f"{shard}/" for shard in found.shards)
    return {
        name: kind
        for name, kind in kinds.items()
        if kind is not None and all(row.get(name, shards[0]).startswith(shards) for row in rows)
    }


def _files(found: Survey, rows: Sequence[Row], root: Path) -> dict[str, str]:
    kinds = {}
    for name, column in summarize_columns(rows).items():
        if not is_nameable(name):
            continue
        suffixes = {Path(value).suffix.lower() for value in column.counts}
        kind = _kind(found, next(iter(suffixes), ""))
        if kind is not None and all((root / value).is_file() for value in column.counts):
            kinds[name] = kind
    return kinds


def _kind(found: Survey, suffix: str) -> str | None:
    media = found.of_suffix(suffix.lower())
    return next((kind for kind, paths in found.media().items() if paths is media), None)
