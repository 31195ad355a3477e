"""study.json and study.csv: where every cell stands and what it found, written as cells end."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transferlab.core.files import write_text
from transferlab.core.text.sanitizers import escape_json, sanitize_line
from transferlab.errors import InputError
from transferlab.pipeline.result import RESULT_FILE
from transferlab.reporting.run_scores import FinishedRun
from transferlab.studies.plan import Cell, StudyPlan, show_value
from transferlab.studies.records import cell_record, group_key, mean_record, single_record
from transferlab.studies.runner import Outcome, cell_folder

SCHEMA_VERSION = 1
STUDY_FILE = "study.json"
TABLE_FILE = "study.csv"
WAITING, DONE, FAILED = "waiting", "done", "failed"
COLUMNS = (
    *("cell", "status", "seed", "what", "domain", "arm", "over", "metric"),
    *("value", "low", "high", "confidence"),
)
"""Of study.csv, before those of the settings."""


class StudySummary:
    """What is known of a study's cells; each finished run is read once."""

    def __init__(self, plan: StudyPlan, out: Path) -> None:
        self._plan, self._out = plan, out
        self._cells = {cell.name: cell for cell in plan.cells}
        self._records: dict[str, dict[str, Any]] = {
            cell.name: {"status": WAITING, "reason": None} for cell in plan.cells
        }
        self._groups: dict[str, list[str]] = {}
        for cell in plan.cells:
            self._groups.setdefault(group_key(cell.settings), []).append(cell.name)
        self._means: dict[str, dict[str, Any]] = {}
        for cell in plan.cells:
            if (cell_folder(out, cell) / RESULT_FILE).exists():
                self._read(cell)
        for key in self._groups:
            self._summarise(key)

    def waiting(self) -> list[Cell]:
        """The cells without a result, in the order of the plan."""
        return [cell for cell in self._plan.cells if self.status(cell) == WAITING]

    def status(self, cell: Cell) -> str:
        """ "waiting", "done" or "failed"."""
        return str(self._records[cell.name]["status"])

    def count(self, status: str) -> int:
        """How many cells stand so."""
        return Counter(one["status"] for one in self._records.values())[status]

    def failures(self) -> list[tuple[Cell, str]]:
        """The cells that failed, each with its reason."""
        return [
            (self._cells[name], one["reason"])
            for name, one in self._records.items()
            if one["status"] == FAILED
        ]

    def add(self, outcome: Outcome) -> str:
        """Take a cell that has ended; returns why it failed, or "" where it did not."""
        if outcome.reason:
            self._fail(outcome.cell, outcome.reason)
        else:
            self._read(outcome.cell)
            self._summarise(group_key(outcome.cell.settings))
        return str(self._records[outcome.cell.name]["reason"] or "")

    def means(self) -> list[dict[str, Any]]:
        """What was found at every setting, over its finished seeds, in the order of the plan."""
        return [self._means[key] for key in self._groups if key in self._means]

    def to_record(self) -> dict[str, Any]:
        """The content of study.json."""
        return {
            "schema_version": SCHEMA_VERSION,
            "study": self._plan.name,
            "pipeline": self._plan.pipeline.name,
            "varied": list(self._plan.varied),
            "counts": {status: self.count(status) for status in (DONE, FAILED, WAITING)},
            "cells": [
                {"name": name, "settings": self._cells[name].settings, **record}
                for name, record in self._records.items()
            ],
            "means": self.means(),
        }

    def write(self) -> None:
        """Write both files anew, each whole or not at all.

        Raises:
            EnvironmentProblem: the disk does not take them.
        """
        write_text(self._out / STUDY_FILE, escape_json(_as_json(self.to_record())) + "\n")
        buffer = io.StringIO()
        # The seed has its column whether it varies or not.
        head = dict.fromkeys([*COLUMNS, *self._plan.varied])
        table = csv.DictWriter(buffer, list(head), lineterminator="\n")
        table.writeheader()
        table.writerows(self._rows())
        write_text(self._out / TABLE_FILE, buffer.getvalue())

    def _read(self, cell: Cell) -> None:
        try:
            found = cell_record(FinishedRun.read(cell_folder(self._out, cell)))
        except InputError as error:
            self._fail(cell, str(error))
        else:
            self._records[cell.name] = {"status": DONE, "reason": None, **found}

    def _fail(self, cell: Cell, reason: str) -> None:
        self._records[cell.name] = {"status": FAILED, "reason": sanitize_line(reason)}

    def _summarise(self, key: str) -> None:
        done = [name for name in self._groups[key] if self._records[name]["status"] == DONE]
        if not done:
            return
        settings = self._cells[done[0]].settings
        if len(done) == 1:
            self._means[key] = single_record(settings, self._records[done[0]])
        else:
            folders = [cell_folder(self._out, self._cells[name]) for name in done]
            self._means[key] = mean_record(settings, folders)

    def _rows(self) -> Iterator[dict[str, Any]]:
        """A row per number of every cell; one alone of a cell without numbers."""
        for name, record in self._records.items():
            shared = {
                "cell": name,
                "status": record["status"],
                "seed": record.get("seed"),
                **{k: sanitize_line(show_value(v)) for k, v in self._cells[name].settings.items()},
            }
            if record["status"] != DONE:
                yield shared
                continue
            for arm, scores in record["arms"].items():
                for domain, one in scores.items():
                    found = {"what": "score", "domain": domain, "arm": arm}
                    yield {**shared, **found, "metric": one["metric"], **_numbers(one)}
            for one in record["gains"]:
                places = {key: one[key] for key in ("domain", "arm", "over")}
                yield {**shared, "what": "gain", **places, **_numbers(one)}
            for what, one in record["forgetting"].items():
                yield {**shared, "what": what, "arm": "sequential", **_numbers(one)}


def _as_json(record: dict[str, Any]) -> str:
    """A line for each entry of a list: json without indentation is several times as quick."""
    parts = []
    for key, value in record.items():
        dumped = [
            json.dumps(one, ensure_ascii=False, allow_nan=False)
            for one in (value if isinstance(value, list) else [value])
        ]
        lines = ",\n  ".join(dumped)
        parts.append(f'"{key}": ' + (f"[\n  {lines}\n ]" if isinstance(value, list) else lines))
    return "{\n " + ",\n ".join(parts) + "\n}"


def _numbers(entry: dict[str, Any]) -> dict[str, Any]:
    low, high = entry["interval"] or (None, None)
    return {"value": entry["value"], "low": low, "high": high, "confidence": entry["confidence"]}
