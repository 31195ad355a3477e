"""``transferlab study``: one pipeline at many settings, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transferlab.cli.options import Debug, Domains
from transferlab.cli.output.terminal import complain, output, say

if TYPE_CHECKING:
    from rich.table import Table

    from transferlab.studies.plan import StudyPlan
    from transferlab.studies.runner import Outcome, Runner
    from transferlab.studies.summary import StudySummary

SHOWN_SETTINGS = 50
"""Of very many, those whose figures are shown; the files have all."""


def study(
    context: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A YAML file, or a shipped study's name.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Output directory; default: runs/<name>.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Cells at once; default: half of the cores.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and list the cells, run nothing.")
    ] = False,
    domains: Domains = None,
    debug: Debug = False,
) -> None:
    """Run one pipeline at many settings and show what each of them found.

    What is finished in DIR is read and not run again, so a study that was stopped goes on when the
    same command is given again. Example: transferlab study study-quantity --workers 2
    """
    from transferlab.cli.inputs import try_writing
    from transferlab.config.gallery import find_pipeline
    from transferlab.pipeline.stages import alone_in
    from transferlab.studies.plan import plan_study
    from transferlab.studies.runner import ProcessRunner, default_workers
    from transferlab.studies.summary import StudySummary

    folders = domains or []
    plan = plan_study(find_pipeline(file), domains=folders)
    folder = out or Path("runs") / plan.name
    summary = StudySummary(plan, folder)
    if dry_run:
        _show_plan(plan, summary, folder)
        return
    try_writing(folder)
    context.find_root().obj.out = folder
    count = workers or default_workers()
    runner = ProcessRunner(folder, workers=count, domains=folders)
    say(_opening(plan, summary, folder, running=min(count, len(summary.waiting()))))
    with alone_in(folder):
        _run(summary, runner, workers=count)
    _show_summary(plan, summary, folder)
    if summary.failures():
        raise typer.Exit(1)


def _run(summary: StudySummary, runner: Runner, *, workers: int) -> None:
    """Run what has no result; the files are written, and a line is shown, as each cell ends."""
    from transferlab.studies.runner import run_cells

    waiting = summary.waiting()
    summary.write()
    for done, outcome in enumerate(run_cells(waiting, runner, workers=workers), start=1):
        reason = summary.add(outcome)
        summary.write()
        say(f"{done} of {len(waiting)}: {_ended(outcome, reason)}")


def _opening(plan: StudyPlan, summary: StudySummary, folder: Path, *, running: int) -> str:
    done = summary.count("done")
    finished = f", {done} finished before" if done else ""
    return f"study {plan.name}: {len(plan.cells)} cells{finished}, {running} at once, in {folder}"


def _ended(outcome: Outcome, reason: str) -> str:
    label, seconds = outcome.cell.label, f"{outcome.seconds:.0f} s"
    return f"{label} failed after {seconds}: {reason}" if reason else f"{label} done ({seconds})"


def _show_plan(plan: StudyPlan, summary: StudySummary, folder: Path) -> None:
    from rich import box
    from rich.table import Table

    from transferlab.studies.plan import show_value

    table = Table(box=box.SIMPLE_HEAD)
    for heading in (*plan.varied, "status"):
        table.add_column(heading, overflow="fold")
    for cell in plan.cells[:SHOWN_SETTINGS]:
        values = [
            show_value(cell.settings[key]) if key in cell.settings else "-" for key in plan.varied
        ]
        table.add_row(*values, summary.status(cell))
    output().print(table)
    hidden = len(plan.cells) - SHOWN_SETTINGS
    if hidden > 0:
        say(f"and {hidden} more cells")
    waiting = len(summary.waiting())
    say(f"study {plan.name}: {len(plan.cells)} cells, {waiting} to run, in {folder}; all are sound")


def _show_summary(plan: StudyPlan, summary: StudySummary, folder: Path) -> None:
    from transferlab.studies.summary import STUDY_FILE, TABLE_FILE

    means = summary.means()
    if means:
        output().print(_table(plan, means[:SHOWN_SETTINGS]))
    if len(means) > SHOWN_SETTINGS:
        say(f"the first {SHOWN_SETTINGS} of {len(means)} settings; the files have all")
    if any(len(one["seeds"]) > 1 for one in means):
        say("intervals of several seeds cover other test groups and other seeds")
    say(f"written: {folder / STUDY_FILE}, {folder / TABLE_FILE}")
    failures = summary.failures()
    for cell, reason in failures[:SHOWN_SETTINGS]:
        complain(f"{cell.label} failed: {reason}")
    if failures:
        complain(
            f"{len(failures)} of {len(plan.cells)} cells failed; give the same command again to "
            "run them again"
        )


def _table(plan: StudyPlan, means: list[dict[str, Any]]) -> Table:
    """Per setting every arm's score by domain, the gains, and what was forgotten."""
    from rich import box
    from rich.table import Table

    from transferlab.studies.plan import show_value

    keys = [key for key in plan.varied if any(key in one["settings"] for one in means)]
    seeds = any(len(one["seeds"]) > 1 for one in means)
    table = Table(box=box.SIMPLE_HEAD)
    for heading in (*keys, "domain", "arm", "value", "interval", *(["by seed"] if seeds else [])):
        table.add_column(heading, overflow="fold")
    for one in means:
        values = [show_value(one["settings"][k]) if k in one["settings"] else "-" for k in keys]
        shown = ""
        for at, (domain, what, figures, points) in enumerate(_lines(one)):
            again = "" if domain == shown else domain
            labels = values if at == 0 else [""] * len(keys)
            table.add_row(*labels, again, what, *figures, *([points] if seeds else []))
            shown = domain
        table.add_section()
    return table


def _lines(one: dict[str, Any]) -> Iterator[tuple[str, str, tuple[str, str], str]]:
    """Domain, what it is, its value with interval, and its values by seed."""
    from transferlab.reporting.labels import ARMS, SUMMARY, interval, number

    def figures(entry: dict[str, Any], *, signed: bool) -> tuple[tuple[str, str], str]:
        points = ", ".join(
            f"{seed}: {number(value, signed=signed)}"
            for seed, value in zip(one["seeds"], entry["by_seed"], strict=True)
        )
        bounds = interval(entry["interval"], signed=signed)
        return (number(entry["value"], signed=signed), bounds), points

    for domain in dict.fromkeys(name for row in one["arms"].values() for name in row):
        for arm, label in ARMS.items():
            if domain in one["arms"].get(arm, {}):
                yield domain, label, *figures(one["arms"][arm][domain], signed=False)
        for gain in one["gains"]:
            if gain["domain"] == domain:
                label = f"{ARMS[gain['arm']]} over {ARMS[gain['over']]}"
                yield domain, label, *figures(gain, signed=True)
    for name, entry in one["forgetting"].items():
        yield "all", SUMMARY[name], *figures(entry, signed=True)
