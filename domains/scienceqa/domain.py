"""ScienceQA's problems, with the answer as words."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path


def rows(rows: Iterable[dict[str, str]], root: Path) -> Iterator[dict[str, str]]:
    for row in rows:
        choices = json.loads(row["choices"])
        yield row | {
            "right": choices[int(row["answer"])],
            "listed": "; ".join(choices),
            "context": f"{row['hint']}\n" if row["hint"] else "",
        }
