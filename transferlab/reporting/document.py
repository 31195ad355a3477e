"""A report before it is written: sections of paragraphs, tables and figures, in no format yet.

HTML and Markdown are made from the same document, so that they say the same. Every string is plain
text: what writes a format makes it harmless there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A value on a scale, with its interval and with marks to hold it against."""

    value: float
    scale: tuple[float, float]
    interval: tuple[float, float] | None = None
    marks: Sequence[float] = ()
    """Values of controls; or 0, of a difference."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a table, where it is more than a text."""

    text: str = ""
    note: str = ""
    """Smaller, behind the text: an interval, a unit."""
    emphasis: bool = False
    warning: bool = False
    """Shown in a colour beside the words that say it."""
    shade: float | None = None
    """In [0, 1]: how dark the cell's ground is."""
    bar: Bar | None = None
    """Drawn in HTML; a column of bars has no other content, and Markdown leaves it out."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under headings; the first columns hold texts, the others numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    title: str = ""
    notes: Sequence[str] = ()
    text_columns: int = 1
    card: bool = False
    """Whether it may stand beside the next one."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A drawing, which has its own title."""

    svg: bytes
    alternative: str
    """What it shows, for those who do not see it."""
    caption: str = ""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Lines to copy, folded under a heading where they are many."""

    title: str
    text: str
    folded: bool = False


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and what stands under it, in this order."""

    title: str
    paragraphs: Sequence[str] = ()
    items: Sequence[str] = ()
    blocks: Sequence[Table | Figure | Listing] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole document."""

    title: str
    subtitle: str
    sections: Sequence[Section]


def as_cell(value: Cell | str) -> Cell:
    """A plain text as a cell."""
    return value if isinstance(value, Cell) else Cell(text=value)
