"""VQA-RAD's questions: those that yes or no answers, and all others."""

from collections.abc import Iterable, Iterator
from pathlib import Path


def rows(rows: Iterable[dict[str, str]], root: Path) -> Iterator[dict[str, str]]:
    for row in rows:
        word = row["answer"].strip().lower()
        closed = word in ("yes", "no")
        yield row | {
            "answer_type": row["answer_type"].strip().upper(),  # some have a blank at the end
            "yes_no": word if closed else "",
            "free": "" if closed else row["answer"].strip(),
        }
