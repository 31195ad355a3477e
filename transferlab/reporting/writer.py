"""A report from a run's directory to a file."""

from __future__ import annotations

import json
from pathlib import Path

from transferlab.core.files import report_disk_errors, write_text
from transferlab.core.integrity import DIGEST
from transferlab.errors import InputError
from transferlab.pipeline.result import RESULT_FILE, read_result
from transferlab.reporting.markdown import render_markdown
from transferlab.reporting.page import render_html
from transferlab.reporting.run_report import run_report

NAMES = {False: "report.html", True: "report.md"}
"""In the run's directory, by whether it is Markdown."""


def write_report(run: Path, to: Path | None, *, markdown: bool, overwrite: bool) -> Path:
    """Write the report of a finished run, whole or not at all.

    Args:
        run: the run's directory.
        to: the file; None means ``report.html`` or ``report.md`` in the run's directory. A name
            that ends in ``.md`` asks for Markdown.
        markdown: whether it is Markdown and not HTML.
        overwrite: whether a file that is there is replaced.

    Returns:
        The file.

    Raises:
        InputError: the directory holds no result that can be read, or the file is there.
        EnvironmentProblem: the file cannot be written.
    """
    result = read_result(run)
    markdown = markdown or (to is not None and to.suffix == ".md")
    path = to or run / NAMES[markdown]
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file with --to")
    if path.exists() and not overwrite:
        raise InputError(f"{path}: is there already; name another with --to, or add --overwrite")
    digest = json.loads((run / RESULT_FILE).read_bytes())[DIGEST]
    report = run_report(result, digest=digest)
    text = render_markdown(report) if markdown else render_html(report)
    with report_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return path
