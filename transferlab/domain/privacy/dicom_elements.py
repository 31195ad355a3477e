"""The elements of a tree of DICOM files, joined with reports, made fit to leave the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydicom.datadict import tag_for_keyword
from pydicom.tag import BaseTag, Tag

from transferlab.config.domain import DomainConfig
from transferlab.domain.base.rows import Row
from transferlab.domain.privacy.dicom_profile import (
    Treatment,
    deidentify,
    identifying_elements,
    is_person_name,
    treatment,
)
from transferlab.domain.privacy.guard import KNOWN, Guard, shown_columns
from transferlab.domain.privacy.known_identifiers import Identifiers
from transferlab.errors import InputError

_PATIENT = "_patient"
"""Reserved column: the original PatientID, until dates are shifted by it."""


class ElementGuard:
    """Treats the columns of one domain's DICOM rows as PS3.15 says."""

    def __init__(
        self, guard: Guard, config: DomainConfig, wanted: Mapping[str, BaseTag], *, file: Path
    ) -> None:
        """Args:
            guard: of a domain that asks for ``privacy.dicom``.
            config: the domain's.
            wanted: elements that become columns.
            file: its domain.yaml, for messages.

        Raises:
            InputError: domain.yaml shows or groups by an element that is removed.
        """
        self._key, self._keep = guard.key, guard.section.keep
        self._treats = guard.section.dicom is not None
        """Else the texts alone are protected, from what the elements say."""
        self._treatments = {name: treatment(tag, keep=self._keep) for name, tag in wanted.items()}
        if not self._treats:
            return
        reports = config.source.reports
        if reports is not None and reports.tag in self._treatments:
            self._treatments[reports.column] = self._treatments[reports.tag]
        for where, column in _used_columns(config):
            if self._treatment(column) == "remove":
                raise InputError(f"{file}: {where}: {_why_removed(column, wanted)}")

    def collect(self, row: Row, stated: Identifiers) -> Row:
        """A file's row with what its file states of people set apart in reserved columns."""
        return row | {KNOWN: stated.to_json(), _PATIENT: row.get("PatientID", "")}

    def treat(self, row: Row) -> Row:
        """A row, after it was joined with its report, without what the profile removes.

        What the report's own columns say of people, such as PatientName, is set apart too.
        """
        row = row | {
            KNOWN: (Identifiers.from_json(row[KNOWN]) + reported_identifiers(row)).to_json()
        }
        if not self._treats:
            return {name: value for name, value in row.items() if name != _PATIENT}
        treatments = {column: self._treatment(column) for column in row}
        patient = row.get(_PATIENT, "")
        assert self._key is not None, "elements are treated where privacy is asked, which has a key"
        clean = deidentify(row, treatments, patient=patient, key=self._key)
        clean.pop(_PATIENT, None)
        return clean

    def _treatment(self, column: str) -> Treatment:
        """Of an element that was asked for, or of a report's column that is called like one."""
        if column not in self._treatments:
            number = tag_for_keyword(column)
            self._treatments[column] = (
                "keep" if number is None else treatment(Tag(number), keep=self._keep)
            )
        return self._treatments[column]


def reported_identifiers(row: Row) -> Identifiers:
    """What columns that are called like identifying elements say."""
    identifying = identifying_elements()
    names, values = list[str](), list[str]()
    for column, value in row.items():
        number = tag_for_keyword(column)
        if number is None or not value.strip() or Tag(number) not in identifying.values():
            continue
        (names if is_person_name(Tag(number)) else values).extend(value.split("\\"))
    return Identifiers(tuple(names), tuple(values))


def _used_columns(config: DomainConfig) -> Iterator[tuple[str, str]]:
    yield from shown_columns(config)
    yield "group", config.group
    for key in ("column", "stratify"):
        column = getattr(config.splits, key)
        if column:
            yield f"splits.{key}", column
    if config.id:
        yield "id", config.id
    for name, task in config.tasks.items():
        yield from ((f"tasks.{name}.where", column) for column in task.where)


def _why_removed(column: str, wanted: Mapping[str, BaseTag]) -> str:
    number = tag_for_keyword(column)
    tag = wanted.get(column) or (Tag(number) if number is not None else None)
    retained = tag is not None and treatment(tag, keep=["patient_characteristics"]) != "remove"
    advice = "add privacy.keep: [patient_characteristics]" if retained else "leave it out"
    return f"'{column}' is removed by privacy.dicom (PS3.15, table E.1-1); {advice}"
