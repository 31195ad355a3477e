"""Keys by which files and reports are joined, and what of them spreadsheets change."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

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


def person_number(written: str) -> str:
    """A person's number or code as persons are compared by it: in any case, any form of Unicode."""
    return f"number {unicodedata.normalize('NFKC', written).strip().casefold()}"
