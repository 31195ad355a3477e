"""AI2D's question files, one per diagram, as one row per question."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

CATEGORIES = "categories.json"


def rows(rows: Iterable[dict[str, str]], root: Path) -> Iterator[dict[str, str]]:
    named = root / CATEGORIES
    categories = json.loads(named.read_text("utf-8")) if named.is_file() else {}
    for row in rows:
        content = json.loads((root / row["file"]).read_text("utf-8"))
        for text, question in content["questions"].items():
            # Two choices of some questions are the same words; either is right.
            choices = list(dict.fromkeys(str(one) for one in question["answerTexts"]))
            yield {
                "image": content["imageName"],
                "category": categories.get(content["imageName"], ""),
                "question_id": question["questionId"],
                "question": text,
                "choices": json.dumps(choices),
                "listed": "; ".join(choices),
                "right": str(question["answerTexts"][question["correctAnswer"]]),
                "_where": f"{row['_where']}, question {question['questionId'].rpartition('-')[2]}",
            }
