"""What is shown before a run that is only planned, and after one that has ended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from transferlab.cli.inputs import RESULT
from transferlab.cli.output.tables import show_result
from transferlab.config.pipeline import TrackingSection
from transferlab.reporting.labels import ARMS
from transferlab.tracking.connection import UNSENT_FILE


def show_closing(
    console: Console, result: Mapping[str, Any], *, out: Path, tracking_uri: str
) -> None:
    """The tables of a finished run, and where to look next.

    Args:
        tracking_uri: as the pipeline has it; the result holds it resolved and without password.
    """
    show_result(console, result)
    locations = [("result", str(out / RESULT))]
    made = [one for one in result.get("exports") or [] if one["status"] == "done"]
    locations += [("export", str(out / one["path"])) for one in made]
    locations.append(("MLflow", _how_to_see_runs(tracking_uri, result["mlflow"]["tracking_uri"])))
    unsent = out / UNSENT_FILE
    if unsent.exists():
        lack = unsent.read_text("utf-8").strip()
        locations.append(
            ("unsent", f"{lack}; give the same command with --out {out} to send it all")
        )
    console.print()
    for label, location in locations:
        console.print(f"{label:7} {location}", soft_wrap=True)


def _how_to_see_runs(given: str, resolved: str) -> str:
    if given.startswith(("http://", "https://")):
        return f"open {resolved}"
    if given == TrackingSection().uri:
        return "transferlab ui"
    return f"transferlab ui --tracking-uri {resolved}"


def show_plan(console: Console, plan: Mapping[str, Any]) -> None:
    """The content of a dry run's plan: domains, steps and parameters."""
    domains = Table(title="Domains", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for heading in ("domain", "role"):
        domains.add_column(heading)
    for heading in ("train", "validation", "test", "used", "quarantined"):
        domains.add_column(heading, justify="right")
    for row in plan["domains"]:
        counts = [row["samples"].get(split, 0) for split in ("train", "validation", "test")]
        numbers = [*counts, row["train_samples_used"], row["quarantined"]]
        domains.add_row(row["name"], row["role"], *(f"{number:,}" for number in numbers))
    steps = Table(title="Steps", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for heading in ("arm", "domain"):
        steps.add_column(heading)
    for heading in ("samples", "optimizer steps"):
        steps.add_column(heading, justify="right")
    for row in plan["steps"]:
        numbers = [row["train_samples"], row["optimizer_steps"]]
        steps.add_row(
            ARMS.get(row["arm"], row["arm"]), row["domain"], *(f"{number:,}" for number in numbers)
        )
    console.print(domains)
    console.print(steps)
    parameters = plan["parameters"]
    share = 100 * parameters["trainable"] / parameters["total"]
    trained, total = f"{parameters['trainable']:,}", f"{parameters['total']:,}"
    console.print(f"parameters: {trained} trained of {total} ({share:.2g} %)")
    _show_memory(console, plan["memory"])
    disk = plan["disk"]
    console.print(f"disk: {size(disk['needed_bytes'])} of {size(disk['free_bytes'])} free")
    if disk["needed_bytes"] > disk["free_bytes"]:
        console.print("[bold]the disk is too small[/]: remove something, or give another --out")


def _show_memory(console: Console, memory: Mapping[str, Any]) -> None:
    table = Table(
        title="Peak memory (estimate)",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("arm")
    parts = ["process", "media", "weights", "gradients", "optimizer", "activations", "strategy"]
    parts.append("total")
    for heading in parts:
        table.add_column(heading, justify="right")
    for row in memory["arms"]:
        table.add_row(ARMS.get(row["arm"], row["arm"]), *(size(row[part]) for part in parts))
    console.print(table)
    peak, available = memory["peak_bytes"], memory["available_bytes"]
    console.print(f"memory: {size(peak)} of {size(available)} on {memory['device']}")
    if peak > available:
        console.print(
            "[bold]this will not fit[/]: raise train.accumulation_steps, lower "
            "train.batch_samples, set backbone.gradient_checkpointing: true, or leave out the "
            "scratch arm"
        )


def size(count: int) -> str:
    """Bytes as people read them: 1.5 GiB, 20 MiB."""
    return f"{count / 2**30:,.2f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"
