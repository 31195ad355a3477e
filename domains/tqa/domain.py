"""TQA's lessons as one row per question with a diagram."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

FOLDERS = {"train": "train", "validation": "val", "test": "test"}


def rows(rows: Iterable[dict[str, str]], root: Path) -> Iterator[dict[str, str]]:
    for lesson in rows:
        asked = json.loads(lesson["questions"])["diagramQuestions"]
        for number, question in asked.items():
            answers = question["answerChoices"]
            choices = list(dict.fromkeys(one["processedText"] for one in answers.values()))
            # A few questions name no choice: with an empty answer they are told as bad rows.
            letter = question.get("correctAnswer", {}).get("processedText", "")
            yield {
                "part": lesson["part"],
                "folder": FOLDERS[lesson["part"]],
                "lesson": lesson["globalID"],
                "question_id": number,
                "image": question["imagePath"],
                "question": question["beingAsked"]["processedText"],
                "choices": json.dumps(choices),
                "listed": "; ".join(choices),
                "right": answers.get(letter, {}).get("processedText", ""),
                "_where": f"{lesson['_where']}, {number}",
            }
