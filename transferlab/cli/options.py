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
TrustRemoteCode = Annotated[
    bool,
    typer.Option("--trust-remote-code", help="Let code that comes with the model run."),
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
AdapterBase = Annotated[
    str | None, typer.Option("--backbone", help="Of an adapter: where its backbone lies.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:0.")]
BatchSamples = Annotated[int, typer.Option(min=1, help="Samples or files at once.")]
MaxNewTokens = Annotated[int, typer.Option(min=1, help="Of a free answer.")]
