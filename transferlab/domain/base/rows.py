"""Row records: a source's row as text in named columns, and what gives none."""

from __future__ import annotations

from dataclasses import dataclass

Row = dict[str, str]
"""A row's columns, and under ``WHERE`` the file and row that it came from."""

WHERE = "_where"
"""Reserved column: "metadata.csv row 3". It travels with a row, so that messages can name it."""

LISTED = "_media"
"""Reserved column of conversations: a JSON list of [kind, path] for the slots of their text."""


@dataclass(frozen=True)
class BadItem:
    """An item of a source that gives no row."""

    where: str
    reason: str


class BadRow(Exception):
    """Why one row cannot be used; the text repeats nothing of what the row holds."""
