"""A proposal for DICOM files: by which element they belong to which table of reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transferlab.config.domain import SourceSection
from transferlab.domain.columns import Column, summed_up
from transferlab.domain.dicom_tree import read_dicom_tree
from transferlab.domain.questions import Questions, questions_of
from transferlab.domain.survey import Survey
from transferlab.domain.table import Row, read_table
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
        table, column, tag, reports, share = joined
        source["reports"] = {"path": table, "column": column, "tag": tag}
        by_key = {report[column].strip(): report for report in reports}
        rows = [row | by_key[row[tag]] for row in files if row[tag] in by_key]
        notes.append(f"source.reports: {share:.0%} of the files have a row in {table} by {tag}")
    elif found.tables:
        notes.append(f"no column of {', '.join(found.tables[:3])} ties its rows to the files")
    try:
        questions = questions_of(
            rows,
            mark=MARK,
            media_columns=["file", "stem", *KEYS, *([joined[1]] if joined else [])],
            medium="file",
            group=_group(rows),
        )
    except InputError as error:
        unread = "".join(f" ({note})" for note in notes if note.startswith(_UNREAD))
        raise InputError(
            f"{found.root}: {len(files)} DICOM pictures, but {error}; put a CSV of reports or "
            f"labels beside them, with a column of accession numbers, UIDs or file names{unread}"
        ) from None
    notes.append(
        "privacy: nothing is removed until it says {dicom: deidentify, text: scrub}; see "
        "docs/privacy.md"
    )
    questions.notes[:0] = notes
    return source, questions


def _group(rows: Sequence[Row]) -> str:
    """The patient, if every file names one; else the study, else the file."""
    for tag in ("PatientID", "StudyInstanceUID"):
        if all(row[tag] for row in rows):
            return tag
    return "file"


def _best_join(
    found: Survey, files: Sequence[Row], notes: list[str]
) -> tuple[str, str, str, list[Row], float] | None:
    """The table, its column, the element, the rows and the share of files that they cover."""
    best: tuple[float, int, str, str, str, list[Row]] | None = None
    for table in found.tables:
        try:
            reports = read_table(found.root / table)
        except DataError as error:
            notes.append(f"{_UNREAD}: {error}")
            continue
        for name, column in summed_up(reports).items():
            for rank, tag in enumerate(KEYS):
                share = _share(column, files, tag)
                if share >= _MIN_SHARE and (best is None or (share, -rank) > best[:2]):
                    best = (share, -rank, table, name, tag, reports)
    if best is None:
        return None
    share, _, table, name, tag, reports = best
    return table, name, tag, reports, share


def _share(column: Column, files: Sequence[Row], tag: str) -> float:
    return sum(row[tag] in column.counts for row in files if row[tag]) / len(files)
