"""Templates over a row's columns: ``{column}``, and nothing else that braces can do."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from string import Formatter

from transferlab.core.records import MEDIA_SLOT
from transferlab.core.registry import did_you_mean
from transferlab.domain.base.rows import BadRow, Row
from transferlab.errors import InputError

_MARK = re.compile(r"<([A-Za-z_][A-Za-z0-9_-]*)>")


def columns_of(template: str, *, where: str) -> list[str]:
    """The columns that a template names.

    Raises:
        InputError: the braces are unbalanced or ask for more than a plain column: an attribute, an
            index or a format would let a data file reach into Python objects.
    """
    try:
        fields = list(Formatter().parse(template))
    except ValueError as error:
        raise InputError(f"{where}: '{template}' is not a template ({error})") from None
    columns = []
    for _, name, spec, conversion in fields:
        if name is None:
            continue
        if not name or name.isdigit() or spec or conversion or set(name) & set(".[]"):
            raise InputError(
                f"{where}: '{template}' may only name columns, such as {{age}}; "
                "no attributes, indices or formats, and literal braces are doubled"
            )
        columns.append(name)
    return columns


def is_nameable(column: str) -> bool:
    """Whether a template can name a column: its name holds nothing that means more in braces."""
    return bool(column) and not column.isdigit() and not set(column) & set(".[]{}!:")


def as_literal(text: str) -> str:
    """A text that a template writes as it is, braces and all."""
    return text.replace("{", "{{").replace("}", "}}")


def check_columns(columns: Collection[str], known: Collection[str], *, where: str) -> None:
    """Compare the columns that a domain.yaml names with those that its table has.

    Raises:
        InputError: one of them does not exist.
    """
    for column in columns:
        if column not in known:
            listed = sorted(known)
            raise InputError(
                f"{where}: the table has no column '{column}'.{did_you_mean(column, listed)} "
                f"Columns: {', '.join(listed)}"
            )


def fill(template: str, row: Row) -> str:
    """The template with the row's values in it.

    Raises:
        BadRow: this row lacks a column, as rows of JSONL can.
    """
    return "".join(
        text if column is None else value(row, column) for text, column in _compiled(template)
    )


@lru_cache(maxsize=4096)
def _compiled(template: str) -> tuple[tuple[str, str | None], ...]:
    """Pieces of a template, parsed once however many rows it is filled with: text, or a column."""
    pieces: list[tuple[str, str | None]] = []
    for literal, column, _, _ in Formatter().parse(template):
        if literal:
            pieces.append((literal, None))
        if column is not None:
            pieces.append(("", column))
    return tuple(pieces)


def named_columns(template: str) -> list[str]:
    """The columns of a template that ``columns_of`` has accepted."""
    return [column for _, column in _compiled(template) if column is not None]


def value(row: Row, column: str) -> str:
    """One column of a row.

    Raises:
        BadRow: this row lacks it.
    """
    if column not in row:
        raise BadRow(f"the column '{column}' is missing")
    return row[column]


def marks_of(prompt: str) -> list[str]:
    """The media that a prompt template names as ``<name>``, in order."""
    return _MARK.findall(prompt)


def check_marks(prompt: str, media: Collection[str], *, where: str) -> None:
    """Compare the media that a prompt names with those that the source has.

    Raises:
        InputError: one of them does not exist.
    """
    for mark in marks_of(prompt):
        if mark not in media:
            raise InputError(
                f"{where}: '<{mark}>' is not a medium of source.media."
                f"{did_you_mean(mark, sorted(media))} Media: {', '.join(sorted(media)) or 'none'}"
            )


def with_slots(prompt: str) -> str:
    """A prompt template with every ``<name>`` replaced by the media slot."""
    return _MARK.sub(MEDIA_SLOT, prompt)
