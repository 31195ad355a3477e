"""``transferlab report`` and ``compare``: what finished runs found, for people."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transferlab.cli.options import Debug
from transferlab.cli.output.terminal import output, say

if TYPE_CHECKING:
    from transferlab.reporting.comparison import Comparison


class TableFormat(StrEnum):
    """How a comparison is printed."""

    table = "table"
    csv = "csv"
    latex = "latex"
    markdown = "markdown"


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a finished run.")],
    to: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file; default: report.html in the run's directory."),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write Markdown in place of HTML.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Write one self-contained file: question, answer, and what the answer rests on.

    Example: transferlab report runs/radiology --to radiology.html
    """
    from transferlab.reporting.writer import write_report

    say(write_report(run, to, markdown=markdown, overwrite=overwrite))


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Directories of runs; the first is the measure."),
    ],
    arms: Annotated[
        list[str] | None, typer.Option("--arm", metavar="ARM", help="Only this arm; repeatable.")
    ] = None,
    domains: Annotated[
        list[str] | None,
        typer.Option("--domain", metavar="DOMAIN", help="Only this domain; repeatable."),
    ] = None,
    form: Annotated[TableFormat, typer.Option("--as", help="How it is printed.")] = (
        TableFormat.table
    ),
    debug: Debug = False,
) -> None:
    """Say per domain and arm which run is ahead of the first, and by how much.

    Runs that differ in their seeds alone are summarised together. Example: transferlab compare
    runs/naive-0 runs/naive-1 runs/ewc-0 runs/ewc-1 --arm sequential
    """
    from transferlab.reporting.comparison import compare_runs
    from transferlab.reporting.comparison_formats import FORMATS

    found = compare_runs(runs, arms=arms or [], domains=domains or [])
    if form is TableFormat.table:
        _show_comparison(found)
    else:
        say(FORMATS[form.value](found))


def _show_comparison(found: Comparison) -> None:
    from rich import box
    from rich.table import Table

    from transferlab.reporting.comparison_formats import HEAD, cells

    console = output()
    table = Table(box=box.SIMPLE_HEAD)
    for heading in HEAD:
        table.add_column(heading, overflow="fold")
    before: tuple[str, str] | None = None
    for entry in found.entries:
        domain, arm, *rest = cells(entry)
        again = (domain, arm) == before
        table.add_row("" if again else domain, "" if again else arm, *rest)
        before = (domain, arm)
    console.print(table)
    for note in found.notes:
        console.print(note, style="dim")
