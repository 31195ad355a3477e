"""The report of a check, for people."""

from __future__ import annotations

from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table

from transferlab.core.records import SPLITS
from transferlab.domain.report import CheckReport, Problem

SHOWN = 10
"""Problems of one kind that are shown; --json has them all."""


def show_report(console: Console, report: CheckReport) -> None:
    """What was looked at, then the problems by kind, errors first."""
    console.print(f"domain {report.domain}: {report.rows:,} rows, {report.media:,} files of media")
    _show_counts(console, report)
    for problems in (report.errors, report.warnings):
        ordered = sorted(problems, key=lambda one: one.kind)
        for kind, members in groupby(ordered, key=lambda one: one.kind):
            _show_kind(console, kind, list(members))
    if report.removed:
        counts = ", ".join(f"{kind} {count:,}" for kind, count in sorted(report.removed.items()))
        console.print(f"removed from texts: {counts}", soft_wrap=True)
    if report.sound:
        console.print("sound: nothing keeps it from being trained on")


def _show_counts(console: Console, report: CheckReport) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    for side in SPLITS:
        table.add_column(side, justify="right")
    for name, counts in (("samples", report.samples), ("groups", report.groups)):
        table.add_row(name, *(f"{counts.get(side, 0):,}" for side in SPLITS))
    for task, labels in report.labels.items():
        for label, counts in labels.items():
            table.add_row(f"{task}: {label}", *(f"{counts[side]:,}" for side in SPLITS))
    console.print(table)


def _show_kind(console: Console, kind: str, members: list[Problem]) -> None:
    console.print(f"{members[0].severity}: {kind.replace('_', ' ')} ({len(members):,})")
    for one in members[:SHOWN]:
        console.print(f"  {one.where}: {one.reason}", soft_wrap=True)
    if len(members) > SHOWN:
        console.print(f"  and {len(members) - SHOWN:,} more; --json lists all", soft_wrap=True)
