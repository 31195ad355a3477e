"""Options that several commands have, and what they tell the boundary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from transferlab import __version__
from transferlab.cli.output.terminal import say


@dataclass(kw_only=True)
class Session:
    """What the boundary must know of a command when it fails."""

    debug: bool = False
    out: Path | None = None
    """Where an interrupted run can be taken up again."""


def show_version(wanted: bool) -> None:
    if wanted:
        say(f"transferlab {__version__}")
        raise typer.Exit


def _remember(context: typer.Context, wanted: bool) -> bool:
    """Tell the boundary, which has no other way to know what was typed."""
    context.find_root().obj.debug |= wanted
    return wanted


Debug = Annotated[
    bool,
    typer.Option(
        "--debug", callback=_remember, is_eager=True, help="Show the traceback of an error."
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change one setting, e.g. train.epochs=5; repeatable."
    ),
]
Domains = Annotated[
    list[Path] | None,
    typer.Option("--domains", metavar="DIR", help="A folder of domains of yours; repeatable."),
]
