"""A table, or several of the same columns: one row per row."""

from __future__ import annotations

from collections.abc import Iterator

from transferlab.domain.base.rows import Row
from transferlab.domain.rows.source import Source
from transferlab.domain.tables.reader import stream_table

PART = "part"
"""The column that says which of ``source.parts`` a row comes from."""


class TableSource(Source):
    """The rows of ``source.path``, or of each of ``source.parts``."""

    name = "table"

    def __iter__(self) -> Iterator[Row]:
        context, section = self.context, self.context.section
        if not section.parts:
            yield from stream_table(context.path(section.path), encoding=section.encoding)
        for part, relative in section.parts.items():
            path = context.path(relative, key=f"parts.{part}")
            for row in stream_table(path, encoding=section.encoding):
                yield row | {PART: part}
