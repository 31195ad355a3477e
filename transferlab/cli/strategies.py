"""``transferlab strategies list`` and ``transferlab strategies show NAME``."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from transferlab.cli.options import Debug
from transferlab.cli.output.terminal import output, say, say_json
from transferlab.continual.options.reference_page import describe
from transferlab.continual.options.registry import OPTIONS
from transferlab.continual.options.unsupported import EXCLUDED
from transferlab.core.registry import did_you_mean
from transferlab.errors import UnknownName

app = typer.Typer(help="What can prevent forgetting.", rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        say(context.get_help())


@app.command("list")
def list_strategies(as_json: Json = False, debug: Debug = False) -> None:
    """Every strategy, and what it needs."""
    described = [describe(name) for name in OPTIONS]
    if as_json:
        brief = ("name", "summary", "use", "paper", "needs")
        say_json([{key: one[key] for key in brief} for one in described])
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("name", no_wrap=True)
    table.add_column("what")
    table.add_column("needs")
    for one in described:
        table.add_row(one["name"], one["summary"], "; ".join(one["needs"]) or "nothing")
    output().print(table)


@app.command("show")
def show_strategy(name: str, as_json: Json = False, debug: Debug = False) -> None:
    """When to use a strategy, its paper, what it needs and its options."""
    if name in EXCLUDED:
        raise UnknownName(f"strategy '{name}' is not offered: {EXCLUDED[name]}")
    if name not in OPTIONS:
        raise UnknownName(
            f"there is no strategy '{name}'.{did_you_mean(name, list(OPTIONS))} "
            f"Known: {', '.join(OPTIONS)}"
        )
    one = describe(name)
    if as_json:
        say_json(one)
        return
    console, grid = output(), Table.grid(padding=(0, 2))
    facts = {"strategy": name, "what": one["summary"], "when": one["use"], "paper": one["paper"]}
    for label, value in {**facts, "needs": "; ".join(one["needs"]) or "nothing"}.items():
        grid.add_row(label, value)
    console.print(grid)
    options = Table(box=box.SIMPLE_HEAD)
    for heading in ("option", "default", "meaning"):
        options.add_column(heading)
    for key, option in one["options"].items():
        default = json.dumps(option["default"]) if "default" in option else "required"
        options.add_row(key, default, option["description"])
    if one["options"]:
        console.print(options)
