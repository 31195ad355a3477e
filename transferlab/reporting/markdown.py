"""A report as Markdown: the same sentences and tables as the page, without its drawings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from transferlab.core.text.sanitizers import sanitize_markdown, sanitize_terminal
from transferlab.reporting.document import Cell, Figure, Listing, Report, Section, Table, as_cell


def render_markdown(report: Report) -> str:
    """The document; text that came from data is never a link, a tag or a line of its own."""
    parts = [f"# {sanitize_markdown(report.title)}", sanitize_markdown(report.subtitle)]
    for section in report.sections:
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> str:
    """A table whose cells are Markdown already; the first ``texts`` columns are left-aligned."""
    rule = ["---" if at < texts else "---:" for at in range(len(head))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rows))


def _section(section: Section) -> Iterator[str]:
    yield f"## {sanitize_markdown(section.title)}"
    if section.items:
        yield "\n".join(f"- {sanitize_markdown(item)}" for item in section.items)
    yield from map(sanitize_markdown, section.paragraphs)
    for block in section.blocks:
        if isinstance(block, Table):
            yield from _table(block)
        elif isinstance(block, Figure):
            yield sanitize_markdown(" ".join(filter(None, (block.alternative, block.caption))))
        else:
            yield from _listing(block)


def _table(table: Table) -> Iterator[str]:
    if table.title:
        yield f"### {sanitize_markdown(table.title)}"
    cells = [[as_cell(value) for value in row] for row in table.rows]
    kept = [at for at in range(len(table.head)) if not any(row[at].bar for row in cells)]
    yield markdown_table(
        [sanitize_markdown(table.head[at]) for at in kept],
        [[_cell(row[at]) for at in kept] for row in cells],
        texts=table.text_columns,
    )
    if table.notes:
        yield "\n".join(f"- {sanitize_markdown(note)}" for note in table.notes)


def _cell(cell: Cell) -> str:
    text = sanitize_markdown(cell.text)
    if cell.emphasis and text:
        text = f"**{text}**"
    return f"{text} {sanitize_markdown(cell.note)}".strip()


def _listing(listing: Listing) -> Iterator[str]:
    yield f"### {sanitize_markdown(listing.title)}"
    text = sanitize_terminal(listing.text)
    # No run of backticks within may end the block.
    longest = max((len(run) for run in _backticks(text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}\n{text}\n{fence}"


def _backticks(text: str) -> list[str]:
    return "".join(one if one == "`" else " " for one in text).split()
