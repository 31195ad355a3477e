"""The sections of a report that hold scores: matrix, arms beside controls, gains, forgetting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from transferlab.metrics.controls import best_control, control_values, is_understood
from transferlab.metrics.controls import title as control_title
from transferlab.reporting.document import Bar, Cell, Figure, Section, Table
from transferlab.reporting.figures import forgetting_figure
from transferlab.reporting.labels import (
    ARMS,
    NOT_UNDERSTOOD,
    SIGNED,
    SUMMARY,
    interval,
    number,
    significant,
)

Result = Mapping[str, Any]
SCORES = (0.0, 1.0)


def matrix_section(result: Result) -> Section:
    """R, and its columns as curves over the steps."""
    scores = result["scores"]
    domains = [column["domain"] for column in scores["columns"]]
    rows = [
        [
            row["after"],
            *(
                _shaded(row["values"].get(domain), learned=domain == row["after"])
                for domain in domains
            ),
        ]
        for row in scores["rows"]
    ]
    notes = [f"{one['domain']}: {one['metric']}" for one in scores["columns"]]
    blocks: list[Table | Figure] = [Table(head=["after", *domains], rows=rows, notes=notes)]
    if all(row["values"].get(domain) is not None for row in scores["rows"] for domain in domains):
        blocks.append(forgetting_figure(scores))
    text = (
        "The score on each domain's test split (columns) after each step of the stream (rows); "
        "higher is better. What a step has just learned is bold; the first row is the backbone "
        "before anything was trained."
    )
    return Section(title="Scores after each step", paragraphs=[text], blocks=blocks)


def arms_section(result: Result) -> Section:
    """Every arm's total per domain, then every task beside its controls."""
    arms = result["arms"]
    domains = list(dict.fromkeys(domain for arm in ARMS for domain in arms.get(arm, {})))
    tables = [table for domain in domains for table in _tables_of(result, domain)]
    paragraphs = [
        "Arms are the ways to get a model: the backbone as it was (zero shot), the same "
        "architecture trained from random weights (scratch), one model per domain (single), the "
        "stream with its strategy (sequential), all domains at once (joint). Controls are what "
        "needs no understanding of the media; they are the ticks in the bars.",
    ]
    for arm, other in (result.get("same_training") or {}).items():
        paragraphs.append(
            f"{ARMS.get(arm, arm)} is the same training as {ARMS.get(other, other)}, and was not "
            "trained again."
        )
    return Section(title="Arms beside controls", paragraphs=paragraphs, blocks=tables)


def _tables_of(result: Result, domain: str) -> Iterator[Table]:
    arms = [arm for arm in ARMS if domain in result["arms"].get(arm, {})]
    scored = {arm: result["arms"][arm][domain] for arm in arms}
    yield Table(
        title=f"{domain}: mean over its tasks",
        head=["arm", "score", ""],
        rows=[_score_row(ARMS[arm], scored[arm], marks=()) for arm in arms],
        notes=_reasons(scored.values()),
    )
    tasks = list(dict.fromkeys(task for one in scored.values() for task in one["tasks"]))
    for task in tasks:
        found = {arm: one["tasks"][task] for arm, one in scored.items() if task in one["tasks"]}
        record = ((result.get("controls") or {}).get(domain) or {}).get(task) or {}
        yield _task_table(domain, task, found, record)


def _task_table(
    domain: str, task: str, found: Mapping[str, Result], record: Mapping[str, Any]
) -> Table:
    first = next(iter(found.values()))
    controls = control_values(record)
    marks = [value for value in controls.values() if value is not None]
    rows, lost = [], False
    for arm, scored in found.items():
        below = best_control(record) is not None and not is_understood(scored, record)
        lost = lost or below
        rows.append(_score_row(ARMS[arm], scored, marks=marks, below=below))
    for name, value in controls.items():
        bar = None if value is None else Bar(value=value, scale=SCORES)
        rows.append([f"control: {control_title(name)}", number(value), Cell(bar=bar)])
    counted = f"{first['samples']} test samples"
    if "groups" in first:
        counted += f" of {first['groups']} groups"
    notes = [NOT_UNDERSTOOD] if lost else []
    notes += _calibration(found)
    return Table(
        title=f"{domain}: {task} ({first['metric']}; {counted})",
        head=["arm", "score", ""],
        rows=rows,
        notes=[*notes, *_reasons(found.values())],
        card=True,
    )


def _calibration(found: Mapping[str, Result]) -> list[str]:
    """The arms' calibration as one note; none of a task without choices."""
    known = {arm: one["calibration"] for arm, one in found.items() if one.get("calibration")}
    if not known:
        return []
    each = [
        f"{ARMS[arm]} {number(one['ece'])} ({number(one['ece_if_calibrated'])}), "
        f"{number(one['brier'])}"
        for arm, one in known.items()
    ]
    return [
        "calibration, lower is better (expected calibration error, in brackets what a calibrated "
        f"model would have on as many samples; Brier score): {'; '.join(each)}"
    ]


def _score_row(
    label: str, scored: Result, *, marks: Sequence[float], below: bool = False
) -> list[Cell | str]:
    bounds = scored.get("interval")
    return [
        label,
        Cell(
            text=number(scored["value"]) + ("*" if below else ""),
            note="" if bounds is None else interval(bounds, signed=False),
            warning=below,
        ),
        Cell(bar=Bar(value=scored["value"], scale=SCORES, interval=_pair(bounds), marks=marks)),
    ]


def gains_section(result: Result) -> Section:
    """One arm's score minus another's, per domain."""
    gains = result["gains"]
    if not gains:
        text = "Nothing was compared: that takes two arms of different training."
        return Section(title="Transfer gains", paragraphs=[text])
    bounds = [bound for one in gains for bound in (one["value"], *(one["interval"] or ()))]
    reach = max(map(abs, bounds)) or 1.0
    by_domain: dict[str, list[list[Cell | str]]] = {}
    for one in gains:
        by_domain.setdefault(one["domain"], []).append(_gain_row(one, reach))
    tables = [
        Table(
            title=domain,
            head=["gain", "value", "", "verdict"],
            rows=rows,
            notes=_reasons(one for one in gains if one["domain"] == domain),
        )
        for domain, rows in by_domain.items()
    ]
    text = (
        "The score of one arm minus that of another on the same test samples, paired by test "
        "group. A difference is called one where its interval excludes zero."
    )
    return Section(title="Transfer gains", paragraphs=[text], blocks=tables)


def _gain_row(gain: Mapping[str, Any], reach: float) -> list[Cell | str]:
    bounds, negative = _pair(gain["interval"]), gain["negative_transfer"]
    bar = Bar(value=gain["value"], scale=(-reach, reach), interval=bounds, marks=[0.0])
    if negative:
        verdict = "negative transfer"
    elif bounds is None:
        verdict = "no interval"
    else:
        verdict = "ahead" if bounds[0] > 0 else "not shown"
    return [
        f"{ARMS.get(gain['arm'], gain['arm'])} over {ARMS.get(gain['over'], gain['over'])}",
        Cell(
            text=number(gain["value"], signed=True),
            note="" if bounds is None else interval(bounds),
        ),
        Cell(bar=bar),
        Cell(text=verdict, warning=negative, emphasis=verdict == "ahead"),
    ]


def forgetting_section(result: Result) -> Section:
    """The summary with its definitions, and what each step changed."""
    found = result["summary"]
    rows: list[list[Cell | str]] = [
        [
            Cell(text=SUMMARY.get(key, key), note=one["definition"]),
            Cell(
                text=number(one["value"], signed=key in SIGNED),
                note=interval(one["interval"], signed=key in SIGNED) if one["interval"] else "",
            ),
        ]
        for key, one in found.items()
    ]
    summary = Table(head=["over the stream", "value"], rows=rows, notes=_reasons(found.values()))
    return Section(
        title="Forgetting and forward transfer",
        blocks=[summary, *_steps(result.get("steps") or [])],
    )


def _steps(steps: Sequence[Mapping[str, Any]]) -> Iterator[Table]:
    if not steps:
        return
    terms = list(dict.fromkeys(name for one in steps for name in one["terms"]))
    past = list(dict.fromkeys(name for one in steps for name in one["interference"]))
    head = ["step", "plasticity", "stability"]
    head += [f"gradient cosine with {name}" for name in past]
    head += [f"mean {name.replace('_', ' ')}" for name in terms]
    rows = [
        [
            one["domain"],
            number(one["plasticity"], signed=True),
            number(one["stability"], signed=True),
            *(number(one["interference"].get(name), signed=True) for name in past),
            *(significant(one["terms"].get(name)) for name in terms),
        ]
        for one in steps
    ]
    note = (
        "plasticity: what a step gained on its own domain; stability: the mean change on the "
        "domains before it; a gradient cosine below 0: the two domains pull the parameters apart"
    )
    yield Table(title="What each step changed", head=head, rows=rows, notes=[note])


def _shaded(value: float | None, *, learned: bool) -> Cell:
    return Cell(text=number(value), emphasis=learned, shade=value)


def _pair(bounds: Sequence[float] | None) -> tuple[float, float] | None:
    return None if bounds is None else (bounds[0], bounds[1])


def _reasons(entries: Any) -> list[str]:
    """Why values have no interval, each reason once."""
    reasons = [one.get("interval_reason") for one in entries if one.get("value") is not None]
    return [f"no interval: {reason}" for reason in dict.fromkeys(reasons) if reason]
