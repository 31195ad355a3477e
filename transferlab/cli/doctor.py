"""``transferlab doctor``: what of the environment is fine, and what to do about the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from transferlab.cli.options import Debug, Domains
from transferlab.cli.output.terminal import say, say_json

PROBLEM = 3
"""The exit code, as of ``domains check`` with an error."""


def doctor(
    out: Annotated[Path, typer.Option(help="The folder of runs.")] = Path("runs"),
    data_root: Annotated[
        Path | None,
        typer.Option(help="Folder of the data packs; default: $TRANSFERLAB_DATA."),
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(help="The store; default: that of a pipeline without tracking.uri."),
    ] = None,
    domains: Domains = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    debug: Debug = False,
) -> None:
    """Say what of the environment is fine, and what to do about the rest; code 3 for a problem."""
    from transferlab.pipeline.environment.check import worst
    from transferlab.pipeline.environment.examination import examine

    checks = examine(out=out, data_root=data_root, tracking_uri=tracking_uri, domains=domains or [])
    status = worst(checks)
    if as_json:
        say_json({"status": status, "checks": [asdict(check) for check in checks]})
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            advice = f" -> {check.advice}" if check.advice else ""
            say(f"{check.status:<7}  {check.name:<{width}}  {check.found}{advice}")
        counts = Counter(check.status for check in checks)
        say(f"{counts['problem']} problem(s), {counts['note']} note(s), {counts['ok']} fine")
    if status == "problem":
        raise typer.Exit(PROBLEM)
