"""Scores by attribute, as a section of a report and as sentences for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from transferlab.metrics.subgroups import POOLED
from transferlab.reporting.document import Cell, Section, Table
from transferlab.reporting.labels import ARMS, interval, number

Result = Mapping[str, Any]
BEFORE, AFTER = "zero_shot", "sequential"


def subgroups_section(result: Result) -> Section:
    """Every task by every attribute: before any training, and after each arm's."""
    tables = [
        _table(result, domain, task, attribute) for domain, task, attribute in _places(result)
    ]
    if not tables:
        text = (
            "Nothing was compared: no domain lists attributes, or the run was made before "
            "scores were given by attribute."
        )
        return Section(title="Subgroups", paragraphs=[text])
    text = (
        "Each task's score by the value of an attribute. The gap is the best value's score minus "
        "the worst one's; its interval allows for having looked at every pair of values, and it is "
        "bold where that interval excludes zero. Several attributes, tasks and arms are looked "
        "at: of twenty gaps that are none, about one may be bold by chance. A gap says that the "
        "model does not serve these groups alike on this test split, and not why."
    )
    return Section(title="Subgroups", paragraphs=[text], blocks=tables)


def gap_sentences(result: Result) -> Iterator[str]:
    """The gaps of the model after the stream whose interval excludes zero, one sentence each."""
    for domain, task, attribute in _places(result):
        after = _of(result, AFTER, domain, task, attribute)
        if after is None or not _is_shown(after["gap"]):
            continue
        gap, values = after["gap"], after["values"]
        before = _of(result, BEFORE, domain, task, attribute)
        known = before is not None and before["gap"]["value"] is not None
        yield (
            f"{domain}, {task} by {attribute}: {gap['best']} "
            f"{number(values[gap['best']]['value'])}, {gap['worst']} "
            f"{number(values[gap['worst']]['value'])}; gap {number(gap['value'])} "
            f"{interval(gap['interval'], signed=False)}"
            + (f", before {number(before['gap']['value'])}" if known and before else "")
        )


def _places(result: Result) -> Iterator[tuple[str, str, str]]:
    """Domains, tasks and attributes of which any arm has scores, each once."""
    found = result.get("subgroups") or {}
    yield from dict.fromkeys(
        (domain, task, attribute)
        for arm in ARMS
        for domain, tasks in (found.get(arm) or {}).items()
        for task, attributes in tasks.items()
        for attribute in attributes
    )


def _of(result: Result, arm: str, domain: str, task: str, attribute: str) -> Result | None:
    by_domain = (result.get("subgroups") or {}).get(arm) or {}
    found: Result | None = by_domain.get(domain, {}).get(task, {}).get(attribute)
    return found


def _table(result: Result, domain: str, task: str, attribute: str) -> Table:
    by_arm = {arm: _of(result, arm, domain, task, attribute) for arm in ARMS}
    found = {arm: one for arm, one in by_arm.items() if one is not None}
    first = next(iter(found.values()))
    rows: list[list[Cell | str]] = [
        [
            value,
            f"{counts['samples']} / {counts['groups']}",
            *(_cell(one["values"][value]) for one in found.values()),
        ]
        for value, counts in first["values"].items()
    ]
    rows.append(["gap", "", *(_gap_cell(one["gap"]) for one in found.values())])
    reasons = [
        scored["interval_reason"]
        for one in found.values()
        for scored in (*one["values"].values(), one["gap"])
    ]
    notes = [reason for reason in dict.fromkeys(reasons) if reason]
    if POOLED in first["values"]:
        notes.insert(0, f"{POOLED}: all values that occur in few test groups, taken together")
    return Table(
        title=f"{domain}: {task} by {attribute}",
        head=["value", "samples / groups", *(ARMS[arm] for arm in found)],
        rows=rows,
        notes=notes,
    )


def _cell(scored: Mapping[str, Any]) -> Cell:
    if scored["value"] is None:
        return Cell(text="too few")
    bounds = scored["interval"]
    return Cell(text=number(scored["value"]), note=interval(bounds, signed=False) if bounds else "")


def _gap_cell(gap: Mapping[str, Any]) -> Cell:
    if gap["value"] is None:
        return Cell(text="too few")
    return Cell(
        text=number(gap["value"]),
        note=interval(gap["interval"], signed=False),
        emphasis=_is_shown(gap),
    )


def _is_shown(gap: Mapping[str, Any]) -> bool:
    """Whether the gap's interval excludes zero; a gap is never negative."""
    return gap["interval"] is not None and gap["interval"][0] > 0
