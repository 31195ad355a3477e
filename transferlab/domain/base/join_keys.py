"""Keys by which files and reports are joined, and what of them spreadsheets change."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from transferlab.domain.base.rows import WHERE, BadRow, Row

IDENTITY = (
    *("file", "stem", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
    "AccessionNumber",
)
"""Columns that say which picture and whose it is."""
_NUMBER = re.compile(r"0*(\d+?)(?:\.0+)?")


def as_number(key: str) -> str:
    """A number without leading zeros and without ".0"; any other key as it is."""
    found = _NUMBER.fullmatch(key)
    return found[1] if found else key


def clash(keys: Iterable[str]) -> tuple[str, str] | None:
    """Two different keys that are one as numbers; None where there are none."""
    first: dict[str, str] = {}
    for key in keys:
        other = first.setdefault(as_number(key), key)
        if other != key:
            return other, key
    return None


def merge_report(row: Row, report: Row, *, key: str) -> Row:
    """A picture's columns with those of its report, which fills what the picture's lack.

    Args:
        row: of the picture.
        report: of the table.
        key: the column by which they were joined. Where the picture has one of that name, the
            picture's own stays, as for every column of ``IDENTITY``.

    Raises:
        BadRow: both say whose they are, and differ.
    """
    merged = dict(row)
    for name, value in report.items():
        own = row.get(name, "")
        if name == WHERE or (own and not value.strip()) or (own and name == key):
            continue
        if own and name in IDENTITY:
            if as_number(own.strip()) != as_number(value.strip()):
                raise BadRow(
                    f"its report's column '{name}' differs from the file's own {name}, so it may "
                    "be another's; correct it, or rename the column if it means something else"
                )
            continue
        merged[name] = value
    return merged


def person_number(written: str) -> str:
    """A person's number or code as persons are compared by it: in any case, any form of Unicode."""
    return f"number {unicodedata.normalize('NFKC', written).strip().casefold()}"
