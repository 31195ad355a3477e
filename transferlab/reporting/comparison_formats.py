"""A comparison of runs as CSV, LaTeX and Markdown, and as the cells of a terminal's table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from transferlab.core.text.sanitizers import sanitize_line, sanitize_markdown
from transferlab.metrics.intervals import Interval
from transferlab.reporting.comparison import Comparison, Entry
from transferlab.reporting.labels import ARMS, interval, number
from transferlab.reporting.markdown import markdown_table

HEAD = ("domain", "arm", "run", "score", "interval", "by seed", "over the first")
TEXT_COLUMNS = 3


def cells(entry: Entry) -> list[str]:
    """An entry in words, under ``HEAD``."""
    found = entry.interval
    points = ", ".join(
        f"{seed}: {number(value)}" for seed, value in zip(entry.seeds, entry.values, strict=True)
    )
    bounds = None if found is None else (found.low, found.high)
    return [
        entry.domain,
        ARMS[entry.arm],
        entry.label,
        number(entry.value),
        interval(bounds, signed=False),
        points,
        entry.verdict,
    ]


def as_csv(comparison: Comparison) -> str:
    """Every number in full, a row per domain, arm and way; no notes."""
    return _frame(comparison).to_csv(index=False, lineterminator="\n").rstrip("\n")


def as_latex(comparison: Comparison) -> str:
    """A tabular with booktabs' rules, and the notes as comments."""
    import pandas as pd

    rows = [[sanitize_line(one) for one in cells(entry)] for entry in comparison.entries]
    columns = "l" * TEXT_COLUMNS + "r" + "l" * (len(HEAD) - TEXT_COLUMNS - 1)
    table = pd.DataFrame(rows, columns=list(HEAD)).to_latex(
        index=False, escape=True, column_format=columns
    )
    notes = "".join(f"% {sanitize_line(note)}\n" for note in comparison.notes)
    return (notes + table).rstrip("\n")


def as_markdown(comparison: Comparison) -> str:
    """A table, and the notes below it."""
    rows = [[sanitize_markdown(one) for one in cells(entry)] for entry in comparison.entries]
    table = markdown_table(HEAD, rows, texts=TEXT_COLUMNS)
    notes = [f"- {sanitize_markdown(note)}" for note in comparison.notes]
    return "\n\n".join(filter(None, (table, "\n".join(notes))))


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "csv": as_csv,
    "latex": as_latex,
    "markdown": as_markdown,
}


def _frame(comparison: Comparison) -> Any:
    import pandas as pd

    return pd.DataFrame([_row(entry) for entry in comparison.entries])


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "domain": entry.domain,
        "arm": entry.arm,
        "run": sanitize_line(entry.label),
        "seeds": _joined(entry.seeds),
        "score": entry.value,
        **_bounds("score", entry.interval),
        "score_by_seed": _joined(entry.values),
        "over": None if entry.over is None else sanitize_line(entry.over),
        "difference": entry.difference,
        **_bounds("difference", entry.difference_interval),
        "covers": entry.covers,
        "verdict": entry.verdict,
    }


def _bounds(name: str, found: Interval | None) -> dict[str, float | None]:
    low, high = (None, None) if found is None else (found.low, found.high)
    return {f"{name}_low": low, f"{name}_high": high}


def _joined(values: Sequence[float]) -> str:
    return " ".join(map(str, values))
