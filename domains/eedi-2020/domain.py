"""Eedi's topics as words, and options as the question's picture calls them."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

OPTIONS = {"1": "A", "2": "B", "3": "C", "4": "D"}


def rows(rows: Iterable[dict[str, str]], root: Path) -> Iterator[dict[str, str]]:
    with (root / "metadata" / "subject_metadata.csv").open(
        encoding="utf-8-sig", newline=""
    ) as file:
        names = {row["SubjectId"]: row["Name"] for row in csv.DictReader(file)}
    for row in rows:
        topics = [names.get(str(number), "") for number in json.loads(row["SubjectId"])]
        yield row | {
            "topics": ", ".join(filter(None, topics)),
            "option": OPTIONS.get(row["chosen"], ""),
        }
