"""Conversations with pictures and films, as LLaVA, LLaMA-Factory, ms-swift and TRL users have them.

An answer becomes a row, or a whole conversation does; system text and earlier turns go with it and
keep their roles. The columns are prompt (the turn that is answered, media slots in place), answer,
turn (the answer's number, from 1), id, path (of its first medium), about (that path, or the id
where there is no medium) and every other plain value of the item.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from transferlab.config.section import Section
from transferlab.core.records import MEDIA_SLOT
from transferlab.core.text.conversation import Turn
from transferlab.domain.base.rows import (
    LISTED,
    TURNS,
    WHERE,
    BadItem,
    BadRow,
    Row,
    turns_to_json,
)
from transferlab.domain.rows.chat_keys import MADE, check_item_keys
from transferlab.domain.rows.conversation import PLACEHOLDER, listed_media, read_turns, shown_media
from transferlab.domain.rows.source import Source
from transferlab.domain.tables.json_items import describe_json_error, parse_json
from transferlab.domain.tables.reader import has_lone_surrogate, rows_and_problems, stream_json
from transferlab.domain.tables.text_file import is_json_lines, lines_of
from transferlab.errors import DataError

Answers = Literal["each", "last", "all"]


class ChatOptions(Section):
    answers: Answers = "each"
    """Of a conversation of several. each: a sample per answer, which is trained on that answer and
    has what was said before as context. last: one sample, trained on its last answer. all: one
    sample, trained on every answer at once and scored on its last one."""


class ChatSource(Source):
    """Exchanges of a file of conversations."""

    name = "chat"
    Options = ChatOptions
    file_columns = frozenset({"path", "about"})

    def __iter__(self) -> Iterator[Row | BadItem]:
        path = self.context.path(self.context.section.path)
        return stream_chat(path, answers=self.options.answers)


def stream_chat(path: Path, *, answers: Answers = "each") -> Iterator[Row | BadItem]:
    """The exchanges of a .json (a list) or .jsonl file, and the items that cannot be used.

    Args:
        path: of the file.
        answers: as in ``ChatOptions``.

    Raises:
        DataError: the file is missing, no JSON, or no list of objects.
    """
    where = ""
    for where, item in _items(path):
        try:
            rows = list(_exchanges(item, where, learn_history=answers == "all"))
            yield from rows if answers == "each" else rows[-1:]
        except BadRow as error:
            yield BadItem(where, str(error))
    if not where:
        raise DataError(f"{path}: holds no conversation")


def read_chat(path: Path, *, answers: Answers = "each") -> tuple[list[Row], list[tuple[str, str]]]:
    """All rows of ``stream_chat``, and pairs of where and why of the items without.

    Raises:
        DataError: as there.
    """
    return rows_and_problems(stream_chat(path, answers=answers))


def _items(path: Path) -> Iterator[tuple[str, Any]]:
    if path.suffix.lower() == ".jsonl" or is_json_lines(path):
        with lines_of(path) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    try:
                        yield f"{path.name} line {number}", parse_json(line)
                    except (ValueError, RecursionError) as error:
                        raise DataError(
                            f"{path} line {number}: is not JSON ({describe_json_error(error)})"
                        ) from None
        return
    for number, name, item in stream_json(path):
        if name is not None:
            raise DataError(
                f"{path}: a file of conversations is a JSON list, or JSON lines (.jsonl)"
            )
        yield f"{path.name} item {number}", item


def _exchanges(item: Any, where: str, *, learn_history: bool) -> Iterator[Row]:
    """A row for every answer that is to be learned."""
    if not isinstance(item, Mapping):
        raise BadRow("it is not a JSON object")
    check_item_keys(item)
    spoken = read_turns(item)
    media = shown_media(spoken, listed_media(item))
    plain = {
        str(key): value if isinstance(value, str) else json.dumps(value)
        for key, value in item.items()
        if isinstance(value, str | int | float | bool) and key not in MADE | {"prompt", "id"}
    }
    past: list[Turn] = []
    number, shown, learned = 0, 0, 0
    for one in spoken:
        slots = len(PLACEHOLDER.findall(one.text))
        turn = Turn(role=one.role, text=PLACEHOLDER.sub(MEDIA_SLOT, one.text).strip())
        if turn.role == "assistant":
            number += 1
            if slots:
                raise BadRow(f"answer {number} has a media placeholder; only questions may")
            if one.learned:
                learned += 1
                yield plain | _row(item, where, number, past, turn, media[:shown])
                turn = replace(turn, learned=learn_history)
        shown += slots
        past.append(turn)
    if spoken and spoken[-1].role != "assistant" and number:
        raise BadRow("its last turn has no answer; remove that turn or answer it")
    if not number:
        raise BadRow("it has no answer: no turn of 'gpt' or 'assistant'")
    if not learned:
        raise BadRow("all of its answers have weight 0, so there is nothing to learn")


def _row(
    item: Mapping[str, Any],
    where: str,
    number: int,
    past: Sequence[Turn],
    answer: Turn,
    media: Sequence[tuple[str, str]],
) -> Row:
    """
    Args:
        item: of the file.
        where: it stands, for messages.
        number: of the answer, from 1.
        past: what was said before the answer.
        answer: to be learned.
        media: that are shown in the past, in order.
    """
    history, asked = list(past), Turn(role="user", text="")
    if past and past[-1].role in ("user", "tool"):
        *history, asked = past
    texts = [turn.text for turn in (*past, answer)]
    identity = str(item.get("id") or where)
    if has_lone_surrogate("".join([*texts, identity])):
        raise BadRow("its text holds half of a character (a lone surrogate)")
    path = media[0][1] if media else ""
    row = {
        "prompt": asked.text,
        "answer": answer.text,
        "turn": str(number),
        "id": identity,
        "path": path,
        "about": path or identity,
        LISTED: json.dumps(media),
        WHERE: f"{where}, answer {number}",
    }
    if history or asked.role != "user":
        row[TURNS] = turns_to_json([*history, replace(asked, text="")])
    return row
