"""``transferlab report``: what finished runs found, for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transferlab.cli.options import Debug
from transferlab.cli.output.terminal import say


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a finished run.")],
    to: Annotated[
        Path | None, typer.Option(help="The file; default: report.html in the run's directory.")
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
