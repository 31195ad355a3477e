"""``transferlab domains list`` and ``transferlab domains show NAME``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from transferlab.cli.checking import show_report
from transferlab.cli.options import Debug, Domains
from transferlab.cli.terminal import output
from transferlab.domain.catalogue import DomainEntry, find_domains, find_entry
from transferlab.errors import DataError

app = typer.Typer(help="What can be adapted to.", rich_markup_mode=None)

NameOrPath = Annotated[
    str, typer.Argument(metavar="NAME|PATH", help="A domain, or a folder with a domain.yaml.")
]
DataRoot = Annotated[
    Path | None,
    typer.Option(help="Folder of the data packs; default: $TRANSFERLAB_DATA, ../shared/data."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_domains(domains: Domains = None, as_json: Json = False, debug: Debug = False) -> None:
    """Every domain on the search path."""
    entries = find_domains(domains or [])
    if as_json:
        typer.echo(json.dumps([_brief(entry) for entry in entries.values()], indent=2))
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("name", no_wrap=True)
    for heading in ("title", "field", "data", "tasks", "licence"):
        table.add_column(heading)
    for entry in entries.values():
        brief = _brief(entry)
        table.add_row(
            entry.name,
            brief["title"],
            brief["field"],
            brief["data"],
            ", ".join(brief["tasks"]),
            brief["licence"],
        )
    output().print(table)


@app.command("show")
def show_domain(
    name: str, domains: Domains = None, as_json: Json = False, debug: Debug = False
) -> None:
    """What one domain is made of; none of its data is read."""
    entry = find_entry(name, domains or [])
    if as_json:
        content = {**entry.config.model_dump(mode="json"), "folder": str(entry.folder)}
        typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
        return
    _show(entry)


@app.command("check")
def check_domain(
    name: NameOrPath,
    data_root: DataRoot = None,
    strict: Annotated[bool, typer.Option("--strict", help="Count warnings as errors.")] = False,
    domains: Domains = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Read every row, decode every medium and compare the splits; train nothing."""
    from transferlab.domain.check import check_domain as check

    entry = find_entry(name, domains or [])
    report = check(entry, data_root=data_root)
    if as_json:
        typer.echo(json.dumps(report.to_record(), indent=2, ensure_ascii=False))
    else:
        show_report(output(), report)
    count = len(report.problems if strict else report.errors)
    if count:
        raise DataError(f"domain '{entry.name}' is not fit to be trained on: {count} problem(s)")


def _show(entry: DomainEntry) -> None:
    config, console = entry.config, output()
    splits = config.splits
    brief = _brief(entry)
    facts = {
        "title": config.title,
        "version": str(config.version),
        "field": config.field,
        "licence": config.licence,
        "data": brief["data"],
        "group": f"{config.group} (never on two sides of a split)",
        "splits": f"train {splits.train:g}, validation {splits.validation:g}, test {splits.test:g}",
        "attributes": ", ".join(config.attributes) or "none",
        "media": ", ".join(f"{n} ({m.kind})" for n, m in config.source.media.items()) or "none",
        "folder": str(entry.folder),
    }
    grid = Table.grid(padding=(0, 2))
    for label, value in {"domain": entry.name, **facts}.items():
        grid.add_row(label, value)
    console.print(grid)
    tasks = Table(box=box.SIMPLE_HEAD)
    for heading in ("task", "kind", "prompt", "answer", "metrics"):
        tasks.add_column(heading)
    for name, task in config.tasks.items():
        tasks.add_row(name, task.kind, task.prompt, task.answer, ", ".join(task.metrics))
    console.print(tasks)


def _brief(entry: DomainEntry) -> dict[str, Any]:
    config = entry.config
    return {
        "name": entry.name,
        "version": config.version,
        "title": config.title,
        "field": config.field,
        "data": "generated" if config.source.kind == "generated" else f"files ({config.data_root})",
        "tasks": list(config.tasks),
        "licence": config.licence,
    }
