"""A proposal for DICOM files: by which element they belong to which table of reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transferlab.config.domain import SourceSection
from transferlab.domain.base.rows import Row
from transferlab.domain.onboarding.columns import Column, summarize_columns
from transferlab.domain.onboarding.survey import Survey, read_as_found
from transferlab.domain.onboarding.task_proposal import Questions, questions_of
from transferlab.domain.sources.dicom import read_dicom_tree
from transferlab.domain.tables.reader import UTF8
from transferlab.errors import DataError, InputError

KEYS = (
    "SOPInstanceUID",
    "file",
    "stem",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "AccessionNumber",
    "PatientID",
)
"""What may tie a file to a report, the narrowest first: of equal ones it is the safest."""
_MIN_SHARE = 0.5
MARK = "xray"
_UNREAD = "a table that cannot be read"


@dataclass(frozen=True, kw_only=True)
class _Join:
    """A table whose rows belong to files."""

    table: str
    encoding: str
    column: str
    tag: str
    reports: list[Row]
    share: float
    """Of the files that have a row."""

    @property
    def settings(self) -> dict[str, str]:
        """The content of source.reports."""
        encoding = {} if self.encoding == UTF8 else {"encoding": self.encoding}
        return {"path": self.table, **encoding, "column": self.column, "tag": self.tag}


def propose_dicom(found: Survey) -> tuple[dict[str, Any], Questions]:
    """The source and the questions of a folder of DICOM files, with a table of reports or without.

    Raises:
        InputError: nothing can be asked about the files.
        DataError: there is no DICOM picture.
    """
    bare = SourceSection(kind="dicom", path=found.folder)
    folder = found.root / found.folder
    files, bad = read_dicom_tree(folder, found.root, bare, [], file=found.root)
    if not files:
        raise DataError(f"{found.root}: none of its DICOM files holds a picture; {bad[0][1]}")
    source: dict[str, Any] = {
        "kind": "dicom",
        "path": found.folder,
        "media": {MARK: {"kind": "dicom", "path": "{file}"}},
    }
    notes = []
    if bad:
        # What is no picture never will be, and is left out by its modality where that tells it.
        source["only"] = {"Modality": sorted({row["Modality"] for row in files})}
        notes.append(
            f"source.only: {len(bad)} DICOM file(s) are no pictures or cannot be read, first: "
            f"{bad[0][1]}"
        )
    rows: Sequence[Row] = files
    joined = _best_join(found, files, notes)
    if joined is not None:
        source["reports"] = joined.settings
        by_key = {report[joined.column].strip(): report for report in joined.reports}
        tag = joined.tag
        rows = [row | by_key[row[tag]] for row in files if row[tag] in by_key]
        notes += _about(joined)
    elif found.tables:
        notes.append(f"no column of {', '.join(found.tables[:3])} ties its rows to the files")
    try:
        questions = _questions(rows, keys=[joined.column] if joined else [])
    except InputError as error:
        raise InputError(_nothing_to_ask(found, files, joined, notes, error)) from None
    notes.append(
        "privacy: nothing is removed until it says {dicom: deidentify, text: scrub}; see "
        "docs/privacy.md"
    )
    questions.notes[:0] = notes
    return source, questions


def _questions(rows: Sequence[Row], *, keys: Sequence[str]) -> Questions:
    """What the columns other than those that say which file a row belongs to can be asked for."""
    return questions_of(
        rows,
        mark=MARK,
        media_columns=["file", "stem", *KEYS, *keys],
        medium="file",
        group=_group(rows),
    )


def _about(joined: _Join) -> list[str]:
    notes = [
        f"source.reports: {joined.share:.0%} of the files have a row in {joined.table} by "
        f"{joined.tag}"
    ]
    if joined.encoding != UTF8:
        notes.append(
            f"source.reports.encoding: {joined.table} is not UTF-8; see whether letters with "
            f"accents come out right as {joined.encoding}"
        )
    return notes


def _nothing_to_ask(
    found: Survey, files: Sequence[Row], joined: _Join | None, notes: list[str], error: InputError
) -> str:
    """Why DICOM files alone are no domain, and what would make them one."""
    said = f"{found.root}: {len(files)} DICOM pictures, "
    if joined is not None:
        return f"{said}and {joined.table} belongs to them, but {error}"
    unread = next((note for note in notes if note.startswith(_UNREAD)), None)
    why = "but no table that says anything about them"
    if found.tables:
        why = f"but {unread}" if unread else f"but {notes[-1]}"
    return (
        f"{said}{why}; put a CSV of reports or labels beside them, with a column of accession "
        f"numbers, UIDs or file names{found.advice if not found.tables else ''}"
    )


def _group(rows: Sequence[Row]) -> str:
    """The patient, if every file names one; else the study, else the file."""
    for tag in ("PatientID", "StudyInstanceUID"):
        if all(row[tag] for row in rows):
            return tag
    return "file"


def _best_join(found: Survey, files: Sequence[Row], notes: list[str]) -> _Join | None:
    """The table that says something about the most files; of equal keys the narrowest."""
    best: tuple[tuple[float, int], _Join] | None = None
    for table in found.tables:
        try:
            reports, encoding = read_as_found(found.root / table)
        except DataError as error:
            notes.append(f"{_UNREAD}: {error}")
            continue
        for name, column in summarize_columns(reports).items():
            for rank, tag in enumerate(KEYS):
                share = _share(column, files, tag)
                if share >= _MIN_SHARE and (best is None or (share, -rank) > best[0]):
                    join = _Join(
                        table=table,
                        encoding=encoding,
                        column=name,
                        tag=tag,
                        reports=reports,
                        share=share,
                    )
                    best = ((share, -rank), join)
    return best[1] if best else None


def _share(column: Column, files: Sequence[Row], tag: str) -> float:
    return sum(row[tag] in column.counts for row in files if row[tag]) / len(files)
