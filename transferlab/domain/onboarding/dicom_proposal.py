"""A proposal for DICOM files: by which element they belong to which table of reports."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from transferlab.config.source import SourceSection
from transferlab.domain.base.join_keys import as_number, clash, merge_report
from transferlab.domain.base.rows import BadRow, Row
from transferlab.domain.base.template import columns_of
from transferlab.domain.media.dicom import describe_modality
from transferlab.domain.media.dicom_files import tag_of
from transferlab.domain.onboarding.columns import Column, summarize_columns
from transferlab.domain.onboarding.survey import Survey, read_as_found
from transferlab.domain.onboarding.task_proposal import Questions, questions_of
from transferlab.domain.privacy.dicom_profile import Treatment, treatment
from transferlab.domain.sources.dicom import read_dicom_tree
from transferlab.domain.tables.text_file import UTF8
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
_SHORT = 4
"""Digits of a number that may be met by chance; accession numbers and UIDs are longer."""
_NAMES = {
    "SOPInstanceUID": ("sop", "instance", "image"),
    "file": ("file", "path", "image", "name"),
    "stem": ("file", "stem", "image", "name"),
    "SeriesInstanceUID": ("series",),
    "StudyInstanceUID": ("study",),
    "AccessionNumber": ("accession", "accno", "acc"),
    "PatientID": ("patient", "subject", "pid", "mrn"),
}
"""What a column that is that element has in its name."""
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
    as_numbers: bool
    """Whether keys are compared without leading zeros and ".0"."""

    @property
    def settings(self) -> dict[str, str]:
        """The content of source.reports."""
        encoding = {} if self.encoding == UTF8 else {"encoding": self.encoding}
        normalise = {"normalise": "number"} if self.as_numbers else {}
        return {
            "path": self.table,
            **encoding,
            "column": self.column,
            "tag": self.tag,
            **normalise,
        }

    def key(self, written: str) -> str:
        """A key as the two sides are compared by it."""
        return as_number(written.strip()) if self.as_numbers else written.strip()


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
    others = sorted(_other_modalities(files, bad))
    if others:
        # What is no picture never will be, and is left out by its modality where that tells it.
        source["only"] = {"Modality": sorted({row["Modality"] for row in files})}
    notes = _about_unused(bad, others)
    rows: Sequence[Row] = files
    joined = _best_join(found, files, notes)
    if joined is not None:
        source["reports"] = joined.settings
        rows = _join(files, joined)
        notes += _about(joined)
    elif found.tables:
        notes.append(f"no column of {', '.join(found.tables[:3])} ties its rows to the files")
    try:
        questions = _questions(rows, keys=[joined.column] if joined else [])
    except InputError as error:
        raise InputError(_nothing_to_ask(found, files, joined, notes, error)) from None
    notes += _about_group(rows)
    notes.append(_about_privacy(questions))
    questions.notes[:0] = notes
    return source, questions


def _about_unused(bad: Sequence[tuple[str, str]], others: Sequence[str]) -> list[str]:
    """Notes on files that are left out by their modality, and on those that cannot be used."""
    notes = []
    if others:
        notes.append(
            f"source.only: DICOM files that are no pictures are left out: {', '.join(others)}"
        )
    left = [reason for _, reason in bad if not any(f"({one})" in reason for one in others)]
    if left:
        notes.append(
            f"source.path: {len(left)} DICOM file(s) cannot be used, first: {left[0]}; mend or "
            "remove them (data.on_bad_sample: quarantine leaves them out)"
        )
    return notes


def _join(files: Sequence[Row], joined: _Join) -> list[Row]:
    """The files that have a report, with its columns."""
    by_key = {joined.key(report[joined.column]): report for report in joined.reports}
    rows = []
    for row in files:
        key = joined.key(row[joined.tag])
        # A report that names another patient is found by check.
        with suppress(BadRow):
            rows += [merge_report(row, by_key[key], key=joined.column)] if key in by_key else []
    return rows


def _other_modalities(files: Sequence[Row], bad: Sequence[tuple[str, str]]) -> set[str]:
    """Modalities, as messages have them, of files without a picture that no picture has."""
    pictured = {describe_modality(row["Modality"]) for row in files}
    reasons = (re.fullmatch(r"it holds no picture \((.*)\)", reason) for _, reason in bad)
    return {match[1] for match in reasons if match} - pictured


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
    if joined.as_numbers:
        notes.append(
            f"source.reports.normalise: {joined.column} and {joined.tag} are written differently "
            "(leading zeros or '.0'); see whether a report belongs to its picture"
        )
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
    summary = f"{found.root}: {len(files)} DICOM pictures, "
    if joined is not None:
        return f"{summary}and {joined.table} belongs to them, but {error}"
    unread = next((note for note in notes if note.startswith(_UNREAD)), None)
    why = "but no table that says anything about them"
    if found.tables:
        why = f"but {unread}" if unread else f"but {notes[-1]}"
    return (
        f"{summary}{why}; put a CSV of reports or labels beside them, with a column of accession "
        f"numbers, UIDs or file names{found.advice if not found.tables else ''}"
    )


def _group(rows: Sequence[Row]) -> str:
    """The patient, if any file names one; else the study, else the file.

    Files that name none are then bad rows, since nothing says whose they are.
    """
    if any(row["PatientID"] for row in rows):
        return "PatientID"
    return "StudyInstanceUID" if all(row["StudyInstanceUID"] for row in rows) else "file"


def _about_privacy(questions: Questions) -> str:
    """What removes what identifies somebody, and leaves what the questions use."""
    used = {column for column, treated in _treatments(questions).items() if treated == "remove"}
    keep = ", keep: [patient_characteristics]" if used else ""
    why = f" (keep, because {', '.join(sorted(used))} would be removed)" if used else ""
    return (
        f"privacy: nothing is removed until it says {{dicom: deidentify{keep}, text: scrub}}{why}; "
        "see docs/privacy.md"
    )


def _treatments(questions: Questions) -> dict[str, Treatment]:
    """What ``privacy.dicom`` does to the columns that are elements, by those columns."""
    columns = [*questions.attributes, *filter(None, [questions.stratify])]
    for name, task in questions.tasks.items():
        columns += columns_of(task["answer"], where=f"tasks.{name}")
    tags = {column: tag_of(column) for column in columns}
    return {column: treatment(tag) for column, tag in tags.items() if tag is not None}


def _about_group(rows: Sequence[Row]) -> list[str]:
    without = sum(not row["PatientID"] for row in rows)
    if without == len(rows):
        return [
            "group: no file has a PatientID, so what belongs together is said by "
            f"{_group(rows)}; a patient who came twice may be on two sides"
        ]
    if without:
        return [
            f"group: {without} of {len(rows)} files have no PatientID; nothing says whose they "
            "are, so they cannot be used (data.on_bad_sample: quarantine leaves them out)"
        ]
    return []


def _best_join(found: Survey, files: Sequence[Row], notes: list[str]) -> _Join | None:
    """The table that says something about the most files; of equal keys those that are written
    alike, then the narrowest."""
    best: tuple[tuple[float, bool, int], _Join] | None = None
    for table in found.tables:
        try:
            reports, encoding = read_as_found(found.root / table)
        except DataError as error:
            notes.append(f"{_UNREAD}: {error}")
            continue
        for column in summarize_columns(reports).values():
            for rank, tag in enumerate(KEYS):
                for as_numbers in (False, True):
                    share = _share(column, files, tag, as_numbers=as_numbers)
                    order = (share, not as_numbers, -rank)
                    if share < _MIN_SHARE or (best is not None and order <= best[0]):
                        continue
                    if not is_evidence(column, tag):
                        note = _not_taken(column, tag, table)
                        notes += [note] if note not in notes else []
                        continue
                    join = _Join(
                        table=table,
                        encoding=encoding,
                        column=column.name,
                        tag=tag,
                        reports=reports,
                        share=share,
                        as_numbers=as_numbers,
                    )
                    best = (order, join)
    return best[1] if best else None


def is_evidence(column: Column, tag: str) -> bool:
    """Whether equal values in a column and an element cannot be chance.

    Small numbers meet small numbers: a column that counts its rows fits every archive that numbers
    its patients. Such a column is taken only where its name says that it is that element.
    """
    if any(len(value) > _SHORT or not value.isdigit() for value in column.counts):
        return True
    name = re.sub(r"[^a-z]", "", column.name.lower())
    return any(word in name for word in _NAMES[tag])


def _not_taken(column: Column, tag: str, table: str) -> str:
    return (
        f"column {column.name} of {table} holds small numbers that {tag} holds too, which may be "
        f"chance; if it is that, say so: source.reports: {{path: {table}, column: {column.name}, "
        f"tag: {tag}}}"
    )


def _share(column: Column, files: Sequence[Row], tag: str, *, as_numbers: bool) -> float:
    """Of the files whose key the column has; 0 where keys would meet that are written apart."""
    keys = [row[tag].strip() for row in files if row[tag].strip()]
    if not as_numbers:
        return sum(key in column.counts for key in keys) / len(files)
    if clash(column.counts) or clash(keys):
        return 0.0
    known = {as_number(value) for value in column.counts}
    return sum(as_number(key) in known for key in keys) / len(files)
