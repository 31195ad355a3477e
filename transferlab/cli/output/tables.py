"""The end of a run as tables, made from the content of result.json."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from transferlab.metrics.answers import METRICS
from transferlab.metrics.controls import best_control, control_values, is_understood
from transferlab.metrics.controls import title as control_title
from transferlab.reporting.labels import (
    ARMS,
    NOT_UNDERSTOOD,
    SIGNED,
    SUMMARY,
    interval,
    number,
)
from transferlab.reporting.subgroup_section import gap_sentences

WIDE_COLUMNS = 100
Result = Mapping[str, Any]


def show_result(console: Console, result: Result) -> None:
    """Print what the run found in sentences, then every table that the result has content for."""
    for sentence in result.get("answer") or []:
        console.print(sentence["text"], markup=False, soft_wrap=False)
    wide = console.width >= WIDE_COLUMNS
    definitions = [
        result["summary"][key]["definition"] for key in SUMMARY if key in result["summary"]
    ]
    _show(console, score_matrix(result), [])
    _show(console, summary(result), [*definitions, *_missing(result["summary"].values())])
    gained = gains(result)
    if gained is not None:
        _show(console, gained, _missing(result["gains"]))
    for table in arms_and_controls(result, wide=wide):
        _show(console, table, [])
    rules = zero_shot_rules(result)
    if rules is not None:
        _show(console, rules, [])
    for sentence in gap_sentences(result):
        console.print(sentence, markup=False, soft_wrap=False)
    metrics = {column["domain"]: column["metric"] for column in result["scores"]["columns"]}
    console.print()
    for domain, metric in metrics.items():
        console.print(f"{domain}: {metric}", style="dim")
    for arm, other in (result.get("same_training") or {}).items():
        console.print(f"{arm} is the same training as {other}, and was not trained again")
    quarantined = result.get("quarantined") or []
    if quarantined:
        console.print(f"{len(quarantined)} quarantined sample(s): see result.json", style="yellow")


def _missing(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Why values have no interval, each reason once."""
    reasons = [one.get("interval_reason") for one in entries if one.get("value") is not None]
    return [f"no interval: {reason}" for reason in dict.fromkeys(reasons) if reason]


def _show(console: Console, table: Table, notes: Sequence[str]) -> None:
    console.print()
    console.print(table)
    for note in notes:
        console.print(note, style="dim")


def score_matrix(result: Result) -> Table:
    """R: a row per step, a column per domain; what a step has just learned is bold."""
    table = _table("Scores after each step (higher is better)")
    table.add_column("after")
    domains = [column["domain"] for column in result["scores"]["columns"]]
    for domain in domains:
        table.add_column(domain, justify="right", min_width=6)
    for row in result["scores"]["rows"]:
        cells = [
            Text(number(row["values"].get(domain)), style="bold" if domain == row["after"] else "")
            for domain in domains
        ]
        table.add_row(row["after"], *cells)
    return table


def summary(result: Result) -> Table:
    """ACC, BWT, FWT, forgetting and what is left of the source."""
    table = _table("Summary")
    for heading in ("", "value", "interval"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for key, label in SUMMARY.items():
        entry = result["summary"].get(key)
        if entry is None:
            continue
        signed = key in SIGNED
        value = number(entry.get("value"), signed=signed)
        table.add_row(label, value, interval(entry.get("interval")))
    return table


def gains(result: Result) -> Table | None:
    """One arm's score minus another's; None where nothing was compared."""
    rows = result.get("gains") or []
    if not rows:
        return None
    table = _table("Transfer gains")
    for heading in ("domain", "arm", "over"):
        table.add_column(heading)
    for heading in ("gain", "interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("transfer")
    for row in rows:
        flag = Text("negative", style="bold red") if row.get("negative_transfer") else ""
        table.add_row(
            row["domain"],
            ARMS.get(row["arm"], row["arm"]),
            ARMS.get(row["over"], row["over"]),
            number(row["value"], signed=True),
            interval(row.get("interval")),
            flag,
        )
    return table


def arms_and_controls(result: Result, *, wide: bool = True) -> list[Table]:
    """Per domain: every task's score in every arm, beside what needs no understanding at all.

    A narrow table leaves the metrics' names out; they stand below it, by domain.
    """
    scores = result.get("arms") or {}
    domains = dict.fromkeys(domain for arm in ARMS for domain in scores.get(arm, {}))
    return [table for domain in domains for table in _tables_of(result, domain, wide=wide)]


def zero_shot_rules(result: Result) -> Table | None:
    """What every rule of ``evaluation.likelihood`` makes of the zero-shot model's likelihoods; None
    where no rules were compared: it had no choices to answer, or was trained on all of them."""
    found = {
        (domain, task): score["likelihood"]
        for domain, record in (result.get("arms") or {}).get("zero_shot", {}).items()
        for task, score in record["tasks"].items()
        if "content_free" in (score.get("likelihood") or {}).get("values", {})
    }
    names = list(dict.fromkeys(name for one in found.values() for name in one["values"]))
    if not names:
        return None
    table = _table("Zero-shot answers by rule (the rule taken is bold)")
    table.add_column("task", overflow="fold")
    for name in names:
        table.add_column(name, justify="right")
    table.add_column("shortest choice", justify="right")
    for (domain, task), one in found.items():
        cells = [
            Text(number(one["values"].get(name)), style="bold" if name == one["rule"] else "")
            for name in names
        ]
        share = one["fewest_tokens"]
        table.add_row(f"{domain}: {task}", *cells, "-" if share is None else f"{share:.0%}")
    return table


TITLES = {"closed": "arms and controls", "ranked": "retrieval", "free": "free answers"}
"""Of a domain's tables: tasks with answers to choose from, to find, and in free text."""


def _tables_of(result: Result, domain: str, *, wide: bool) -> Iterator[Table]:
    kinds: dict[str, dict[str, str]] = {kind: {} for kind in TITLES}
    for task, metric in _tasks_of(result, domain).items():
        known = METRICS.get(metric)  # a third party's may be gone by now
        kinds[known.of if known else "closed"][task] = metric
    for kind, chosen in kinds.items():
        if chosen:
            title = f"{domain}: {TITLES[kind]}"
            yield _arms_table(result, domain, chosen, title=title, wide=wide)


def _arms_table(
    result: Result,
    domain: str,
    tasks: Mapping[str, str],
    *,
    title: str,
    wide: bool,
) -> Table:
    arms = [arm for arm in ARMS if domain in result["arms"].get(arm, {})]
    measured = [_controls_of(result, domain, task) for task in tasks]
    controls = list(dict.fromkeys(name for one in measured for name in one))
    table = _table(title)
    if not wide:
        table.padding = 0
    table.add_column("task", no_wrap=True, overflow="fold")
    gap = " " if wide else "\n"
    for label in (ARMS[arm] for arm in arms):
        table.add_column(label.replace(" ", gap), justify="right")
    for label in map(control_title, controls):
        table.add_column(label.replace(" ", gap), justify="right", style="cyan")
    beaten = False
    for task, metric in tasks.items():
        cells, lost = _task_cells(result, arms, controls, domain, task)
        beaten = beaten or lost
        table.add_row(f"{task} ({metric})" if wide else task, *cells)
    if beaten:
        table.caption = NOT_UNDERSTOOD
        table.caption_justify = "left"
    return table


def _task_cells(
    result: Result, arms: Sequence[str], controls: Iterable[str], domain: str, task: str
) -> tuple[list[Text], bool]:
    """A row's cells, and whether an arm is not above the best control."""
    record = ((result.get("controls") or {}).get(domain) or {}).get(task) or {}
    measured, cells, lost = control_values(record), [], False
    for arm in arms:
        scored = _task(result, arm, domain, task)
        value = scored.get("value")
        controlled = value is not None and best_control(record) is not None
        below = controlled and not is_understood(scored, record)
        lost = lost or below
        cells.append(Text(number(value) + ("*" if below else ""), style="red" if below else ""))
    return cells + [Text(number(measured.get(key))) for key in controls], lost


def _task(result: Result, arm: str, domain: str, task: str) -> Mapping[str, Any]:
    return result["arms"][arm].get(domain, {}).get("tasks", {}).get(task, {})


def _controls_of(result: Result, domain: str, task: str) -> dict[str, float | None]:
    """By name; None where one has no value."""
    found = ((result.get("controls") or {}).get(domain) or {}).get(task) or {}
    return control_values(found)


def _tasks_of(result: Result, domain: str) -> dict[str, str]:
    """The metric of each task of a domain."""
    return {
        task: score["metric"]
        for arm in ARMS
        if arm in result["arms"]
        for task, score in result["arms"][arm].get(domain, {}).get("tasks", {}).items()
    }


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
