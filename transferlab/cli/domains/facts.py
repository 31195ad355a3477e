"""What ``transferlab domains list`` and ``show`` say of a domain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from transferlab.cli.output.terminal import output, say, say_json
from transferlab.domain.catalog import DomainEntry


def show_files(entry: DomainEntry, row: str, *, data_root: Path | None, as_json: bool) -> None:
    """On the terminal alone: the paths may name persons."""
    from transferlab.domain.handle import open_domain

    files = open_domain(entry, data_root=data_root).files_of(row)
    text = "\n".join(map(str, files)) or f"{row} has no files of media"
    say_either({"row": row, "files": [str(one) for one in files]}, text, as_json=as_json)


def say_either(record: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        say_json(record)
    else:
        say(text)


def show_entry(entry: DomainEntry) -> None:
    config, console = entry.config, output()
    splits = config.splits
    brief = brief_of(entry)
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


def brief_of(entry: DomainEntry) -> dict[str, Any]:
    config = entry.config
    return {
        "name": entry.name,
        "version": config.version,
        "title": config.title,
        "field": config.field,
        "data": "generated" if config.source.generator else f"files ({config.data_root})",
        "tasks": list(config.tasks),
        "licence": config.licence,
    }
