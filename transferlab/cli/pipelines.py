"""``transferlab pipelines list``, ``show`` and ``copy``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from transferlab.cli.options import Debug
from transferlab.cli.output.terminal import output, say, say_json
from transferlab.config.gallery import (
    copy_shipped,
    load_shipped,
    read_header,
    shipped_file,
    shipped_pipelines,
)
from transferlab.config.pipeline import PipelineConfig
from transferlab.config.study import StudyConfig
from transferlab.config.yaml_sections import read_text

app = typer.Typer(help="The experiments that come with transferlab.", rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NOT_MEASURED = "not measured"


@app.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        say(context.get_help())


@app.command("list")
def list_pipelines(as_json: Json = False, debug: Debug = False) -> None:
    """What each answers, and the time and memory that it took."""
    described = [_describe(name) for name in shipped_pipelines()]
    if as_json:
        say_json(described)
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("name", no_wrap=True)
    for heading in ("answers", "time", "memory"):
        table.add_column(heading)
    for one in described:
        measured = (one[key] or NOT_MEASURED for key in ("time", "memory"))
        table.add_row(one["name"], one["answers"], *measured)
    output().print(table)


@app.command("show")
def show_pipeline(name: str, as_json: Json = False, debug: Debug = False) -> None:
    """What one answers, what it is made of, what it gave, and its YAML."""
    described = _describe(name)
    text = read_text(shipped_file(name))
    if as_json:
        say_json(described | {"yaml": text})
        return
    grid = Table.grid(padding=(0, 2))
    for label, value in described.items():
        said = ", ".join(value) if isinstance(value, list) else value
        unknown = NOT_MEASURED if label in ("time", "memory") else "-"
        grid.add_row(label, str(said or unknown))
    output().print(grid)
    say()
    say(text.rstrip())


@app.command("copy")
def copy_pipeline(
    name: str,
    to: Annotated[
        Path | None, typer.Argument(help="A file or a folder; default: NAME.yaml here.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Write the YAML of one to a file of yours, for editing; never over another."""
    written = copy_shipped(name, to)
    say(f"written: {written}; when it is edited: `{_command(name, str(written))}`")


def _describe(name: str) -> dict[str, Any]:
    """JSON-safe: the header, and of a pipeline what is trained and compared."""
    config, path = load_shipped(name), shipped_file(name)
    content = {"name": name, **asdict(read_header(read_text(path)))}
    if isinstance(config, PipelineConfig):
        content |= {
            "backbone": config.backbone.model,
            "source": config.source,
            "stream": config.stream,
            "strategy": [spec.name for spec in config.strategy],
            "arms": [*config.arms, "sequential"],
        }
    if isinstance(config, StudyConfig):
        listed = dict.fromkeys(key for cell in config.cells for key in cell)
        content |= {"pipeline": config.pipeline, "varies": [*listed, *config.grid]}
    return content | {"command": _command(name, name), "file": str(path)}


def _command(name: str, written: str) -> str:
    config = load_shipped(name)
    if isinstance(config, PipelineConfig):
        return f"transferlab run {written}"
    if isinstance(config, StudyConfig):
        return f"transferlab study {written}"
    return f"transferlab pretrain {written} --out DIR"
