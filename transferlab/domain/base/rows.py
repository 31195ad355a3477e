"""Row records: a source's row as text in named columns, and what gives none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from transferlab.core.text.conversation import Turn

Row = dict[str, str]
"""A row's columns, and under ``WHERE`` the file and row that it came from."""

WHERE = "_where"
"""Reserved column: "metadata.csv row 3". It travels with a row, so that messages can name it."""

LISTED = "_media"
"""Reserved column of conversations: a JSON list of [kind, path] for the slots of their text."""

HISTORY = "_history"
"""Reserved column of learners' answers: the JSON of what the learner had answered before."""

TURNS = "_turns"
"""Reserved column of conversations: what was said before an answer, as ``turns_to_json`` writes it.
The last turn is the prompt: its text is empty here, and stands in the column ``prompt``."""


def turns_to_json(turns: Sequence[Turn]) -> str:
    """Turns as the text of a column."""
    return json.dumps([astuple(turn) for turn in turns])


def turns_from_json(text: str) -> tuple[Turn, ...]:
    """The turns that ``turns_to_json`` has written."""
    return tuple(
        Turn(role=role, text=said, learned=learned) for role, said, learned in json.loads(text)
    )


@dataclass(frozen=True)
class BadItem:
    """An item of a source that gives no row."""

    where: str
    reason: str


class BadRow(Exception):
    """Why one row cannot be used; the text repeats nothing of what the row holds."""
