"""The tables of docs/results.md, from the result.json of one or more finished runs.

    python benchmarks/report.py runs/radiology-real

Prints Markdown. Several runs of one pipeline (its seeds) are averaged.
"""

from __future__ import annotations

import argparse
import json
import statistics
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

SUMMARY = (
    "acc", "bwt", "fwt_over_zero_shot", "fwt_over_scratch", "forgetting_corrected", "forgetting",
    "source_retention",
)  # fmt: skip
UNKNOWN: Mapping[str, Any] = {"value": None, "interval": None}
"""What a run of an earlier version has not said."""
CONTROLS = ("majority", "no_image", "pixels", "frequent_answer", "copied_answer", "chance")

WIDTH = 100
"""Of a page's lines."""

Result = Mapping[str, Any]


def mean_and_spread(values: Iterable[float | None]) -> str:
    """Mean, and the sample standard deviation where there are several values."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    spread = f" ± {statistics.stdev(known):.3f}" if len(known) > 1 else ""
    return f"{statistics.mean(known):.3f}{spread}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def filled(part: str) -> str:
    """Prose and lists in lines of one width; tables and headings as they are."""
    if part.startswith(("|", "#")):
        return part
    style = {"width": WIDTH, "break_long_words": False, "break_on_hyphens": False}
    if part.startswith("- "):
        points = part.splitlines()
        return "\n".join(textwrap.fill(one, subsequent_indent="  ", **style) for one in points)
    return "\n\n".join(textwrap.fill(one, **style) for one in part.split("\n\n"))


def matrix_table(results: Sequence[Result]) -> str:
    """The score matrix R."""
    columns = [column["domain"] for column in results[0]["scores"]["columns"]]
    rows = []
    for index, row in enumerate(results[0]["scores"]["rows"]):
        values = [
            mean_and_spread(r["scores"]["rows"][index]["values"][name] for r in results)
            for name in columns
        ]
        rows.append([row["after"], *values])
    return table(["after", *columns], rows)


def summary_table(runs: Mapping[str, Sequence[Result]]) -> str:
    """A row per strategy. One run shows its interval over test groups, several their spread."""
    rows = []
    for label, results in runs.items():
        found = [[r["summary"].get(key, UNKNOWN) for r in results] for key in SUMMARY]
        cells = [mean_and_spread(one["value"] for one in several) for several in found]
        if len(results) == 1:
            intervals = [several[0]["interval"] for several in found]
            cells = [
                f"{cell} [{i[0]:.3f}, {i[1]:.3f}]" if i else cell
                for cell, i in zip(cells, intervals, strict=True)
            ]
        rows.append([label, *cells])
    return table(["strategy", *SUMMARY], rows)


def arms_table(results: Sequence[Result]) -> str:
    """Per domain and task: every arm's score beside the controls."""
    arms = list(results[0]["arms"])
    rows = []
    for domain in results[0]["pipeline"]["stream"]:
        for task, score in results[0]["arms"]["sequential"][domain]["tasks"].items():
            found = [
                mean_and_spread(r["arms"][arm][domain]["tasks"][task]["value"] for r in results)
                for arm in arms
            ]
            found += [
                mean_and_spread(
                    r["controls"].get(domain, {}).get(task, {}).get(control) for r in results
                )
                for control in CONTROLS
            ]
            rows.append([domain, task, f"{score['metric']} (n={score['samples']})", *found])
    return table(["domain", "task", "metric", *arms, *CONTROLS], rows)


def gains_table(results: Sequence[Result]) -> str:
    """One run's gains with their intervals, or the mean gain of several."""
    rows = []
    for index, gain in enumerate(results[0]["gains"]):
        cell = mean_and_spread(r["gains"][index]["value"] for r in results)
        if len(results) == 1 and gain["interval"]:
            cell += f" [{gain['interval'][0]:.3f}, {gain['interval'][1]:.3f}]"
        found = sum(r["gains"][index]["negative_transfer"] for r in results)
        seeds = f" in {found} of {len(results)}" if len(results) > 1 else ""
        flag = f"negative transfer{seeds}" if found else ""
        rows.append([gain["domain"], f"{gain['arm']} over {gain['over']}", cell, flag])
    return table(["domain", "gain", "value", ""], rows)


def similarity_table(result: Result) -> str:
    rows = [
        [
            domain,
            f"{one['name']} ({one['features']})",
            f"{one['value']:.3f}",
            f"{one['baseline_mean']:.3f}",
            f"{one['p_value']:.3f}",
        ]
        for domain, measured in result["similarity"].items()
        for one in measured
        if one["name"] in ("frechet", "mmd", "vocabulary_js")
    ]
    return table(["domain", "measure", "value", "baseline", "p"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    given = parser.parse_args()
    results = [json.loads((run / "result.json").read_text("utf-8")) for run in given.runs]
    label = " + ".join(one["name"] for one in results[0]["pipeline"]["strategy"])
    for part in (
        matrix_table(results),
        summary_table({label: results}),
        arms_table(results),
        gains_table(results),
        similarity_table(results[0]),
    ):
        print(part, end="\n\n")


if __name__ == "__main__":
    main()
