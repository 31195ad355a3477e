"""A tree of DICOM files, or a DICOMDIR, joined with a table of reports: one row per picture."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from pydicom.tag import BaseTag

from transferlab.config.source import SourceSection
from transferlab.domain.base.disk_index import Reports
from transferlab.domain.base.join_keys import merge_report
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.base.rows import WHERE, BadItem, BadRow, Row
from transferlab.domain.base.template import check_columns
from transferlab.domain.media.dicom import describe_modality
from transferlab.domain.media.dicom_files import HEIGHT, list_dicom_files, read_elements, tag_of
from transferlab.domain.privacy.dicom_elements import ElementGuard
from transferlab.domain.privacy.known_identifiers import Identifiers
from transferlab.domain.rows.source import Source, SourceContext
from transferlab.domain.tables.reader import rows_and_problems, stream_table
from transferlab.errors import DataError, InputError

USUAL_TAGS = (
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "AccessionNumber",
    "Modality",
    "BodyPartExamined",
    "ViewPosition",
    "Laterality",
    "PatientSex",
    "PatientAge",
)
_PATH_KEYS = ("file", "stem")
_ALIAS = re.compile(r"DICOM file ([1-9][0-9]{0,8})\b")
Bad = list[tuple[str, str]]
ElementGuardOf = Callable[[Mapping[str, BaseTag]], ElementGuard]


class DicomSource(Source):
    """Pictures of a tree of DICOM files, joined with ``source.reports``."""

    name = "dicom"
    file_columns = frozenset({"file", "stem", "name", "folder", "transcript"})

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        guard, entry = context.guard, context.entry
        elements = None
        if guard.section.active:
            elements = partial(ElementGuard, guard, entry.config, file=entry.file)
        self._tree = DicomTree(
            context.path(context.section.path),
            context.root,
            context.section,
            self._reports(),
            file=entry.file,
            guard=elements,
        )

    def __iter__(self) -> Iterator[Row | BadItem]:
        return iter(self._tree)

    def columns(self) -> set[str]:
        """Those of every row; no file is read."""
        return self._tree.columns()

    def file_of(self, where: str) -> Path | None:
        """The file of that number, also where it holds no picture."""
        named = _ALIAS.match(where)
        return self._tree.file_of_number(int(named[1])) if named else None

    def _reports(self) -> Iterable[Row]:
        section = self.context.section.reports
        if section is None:
            return []
        path = self.context.path(section.path, key="reports.path")
        return stream_table(path, encoding=section.encoding)


class DicomTree:
    """Rows of the pictures below a folder, with their elements and their reports' columns.

    The columns are file (relative to the root), the keywords of ``USUAL_TAGS`` and of
    ``source.tags``, and the columns of the reports. A file that several reports name gives as many
    rows. Files are read one after another each time, without their pixels.
    """

    def __init__(
        self,
        path: Path,
        root: Path,
        source: SourceSection,
        reports: Iterable[Row],
        *,
        file: Path,
        guard: ElementGuardOf | None = None,
    ) -> None:
        """
        Args:
            path: a folder, or a DICOMDIR.
            root: the domain's data root.
            source: the domain's.
            reports: the rows of its table, which are read once.
            file: its domain.yaml, for messages.
            guard: makes the guard of the elements that are read; None leaves them as they are.

        Raises:
            InputError: domain.yaml names an element or a column that does not exist.
        """
        self._path, self._base, self._root, self._source = path, root.resolve(), root, source
        self._wanted = _wanted(source, file=file)
        self._elements = guard(self._wanted) if guard else None
        self._reports: Reports | None = None
        section = source.reports
        if section is not None:
            as_numbers = section.normalise == "number"
            self._reports = Reports(reports, section.column, as_numbers=as_numbers)
            where = f"{file}: source.reports.column"
            check_columns([section.column], self._reports.columns, where=where)

    def columns(self) -> set[str]:
        """Those of every row; no file is read."""
        row = dict.fromkeys([*self._wanted, *_PATH_KEYS, WHERE], "")
        if self._elements:
            row = self._elements.collect(row, Identifiers())
        if self._reports is not None:
            row |= dict.fromkeys(self._reports.columns, "")
        return set(self._elements.treat(row) if self._elements else row)

    def __iter__(self) -> Iterator[Row | BadItem]:
        """Rows, and what gives none: files that are no pictures or have no report, and reports
        without a file.

        Raises:
            DataError: there is no DICOM file.
        """
        for row in self._joined(self._pictures()):
            if self._elements is None or isinstance(row, BadItem):
                yield row
            else:
                yield self._elements.treat(row)

    def file_of_number(self, number: int) -> Path | None:
        """That file, counted from 1 in the order of paths; None where there are fewer."""
        return next(islice(list_dicom_files(self._path, self._root), number - 1, None), None)

    def _pictures(self) -> Iterator[Row | BadItem]:
        """A row per file that holds a picture, and why the others are left out."""
        elements = self._elements
        number = 0
        for number, one in enumerate(list_dicom_files(self._path, self._root), start=1):
            where = f"DICOM file {number} in the order of paths"
            try:
                row, stated = read_elements(one, self._wanted, everything=elements is not None)
            except UnreadableMedium as error:
                yield BadItem(where, error.reason)
                continue
            own = {"file": one.relative_to(self._base).as_posix(), "stem": one.stem, WHERE: where}
            if any(row.get(name) not in allowed for name, allowed in self._source.only.items()):
                self._set_aside(row | own)
                continue
            if not row.pop(HEIGHT):
                self._set_aside(row | own)
                yield BadItem(where, f"it holds no picture ({describe_modality(row['Modality'])})")
                continue
            yield (elements.collect(row, stated) if elements else row) | own
        if not number:
            raise DataError(f"{self._path}: holds no DICOM file; is source.path right?")

    def _set_aside(self, row: Row) -> None:
        """Its report, if it has one, does not lack a file."""
        section = self._source.reports
        if section is not None and self._reports is not None and row[section.tag].strip():
            self._reports.set_aside(row[section.tag].strip())

    def _joined(self, rows: Iterable[Row | BadItem]) -> Iterator[Row | BadItem]:
        section, reports = self._source.reports, self._reports
        if section is None or reports is None:
            yield from rows
            return
        reports.forget()
        empty = dict.fromkeys(reports.columns, "")
        alone: list[tuple[str, str]] = []  # where, and the key that no report has
        joined = 0
        for row in rows:
            if isinstance(row, BadItem):
                yield row
                continue
            key = row[section.tag].strip()
            matching = reports.matching(key) if key else []
            joined += bool(matching)
            for report, pictures in matching:
                where = f"{report[WHERE]}, picture {pictures}"
                try:
                    yield merge_report(row, report, key=section.column) | {WHERE: where}
                except BadRow as error:
                    yield BadItem(where, str(error))
            if not matching and section.optional:
                yield row | empty
            elif not matching and key:
                alone.append((row[WHERE], key))
            elif not matching:
                yield BadItem(row[WHERE], f"it has no {section.tag}")
        yield from self._unjoined(alone, nothing_joined=not joined)

    def _unjoined(
        self, alone: Sequence[tuple[str, str]], *, nothing_joined: bool
    ) -> Iterator[BadItem]:
        """Files without a report and reports without a file; one item where one reason is all."""
        section, reports = self._source.reports, self._reports
        assert section is not None, "only what is joined comes here"
        assert reports is not None, "they are read where there is a section"
        if alone and nothing_joined and all(reports.fits_as_number(key) for _, key in alone):
            yield BadItem(
                "source.reports",
                f"none of {len(alone)} files has a report by {section.tag} as it is written, and "
                "all have one without leading zeros and '.0'; set source.reports.normalise: number",
            )
            return
        yield from (BadItem(where, f"no report has its {section.tag}") for where, _ in alone)
        for where, key in reports.unmatched():
            why = f"no DICOM file has this {section.tag}" if key else f"'{section.column}' is empty"
            yield BadItem(where, why)


def read_dicom_tree(
    path: Path, root: Path, source: SourceSection, reports: Iterable[Row], *, file: Path
) -> tuple[list[Row], Bad]:
    """All rows of a ``DicomTree``, and pairs of where and why of what gives none.

    Args and Raises: as there.
    """
    return rows_and_problems(DicomTree(path, root, source, reports, file=file))


def _wanted(source: SourceSection, *, file: Path) -> dict[str, BaseTag]:
    named = [*USUAL_TAGS, *source.tags, *source.only]
    if source.reports is not None and source.reports.tag not in _PATH_KEYS:
        named.append(source.reports.tag)
    wanted = {}
    for name in named:
        tag = tag_of(name)
        if tag is None:
            raise InputError(
                f"{file}: source: there is no DICOM element '{name}'; name one by its keyword, "
                "such as AccessionNumber, or as 'ggggeeee'"
            )
        wanted[name] = tag
    return wanted
