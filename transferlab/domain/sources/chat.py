"""Conversations with pictures and films, as LLaVA, LLaMA-Factory, ms-swift and TRL users have them.

One exchange becomes one row: what was said before it is part of its prompt. The columns are prompt
(media slots in place), answer, turn (from 1), id, path (of its first medium), about (that path, or
the id where there is no medium) and every other plain value of the item.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transferlab.core.records import MEDIA_SLOT
from transferlab.domain.base.rows import LISTED, WHERE, BadItem, BadRow, Row
from transferlab.domain.rows.chat_keys import MADE, check_item_keys
from transferlab.domain.rows.conversation import PLACEHOLDER, listed_media, read_turns, shown_media
from transferlab.domain.rows.source import Source
from transferlab.domain.tables.json_items import describe_json_error, parse_json
from transferlab.domain.tables.reader import has_lone_surrogate, rows_and_problems, stream_json
from transferlab.domain.tables.text_file import is_json_lines, lines_of
from transferlab.errors import DataError


class ChatSource(Source):
    """Exchanges of a file of conversations."""

    name = "chat"
    file_columns = frozenset({"path", "about"})

    def __iter__(self) -> Iterator[Row | BadItem]:
        return stream_chat(self.context.path(self.context.section.path))


def stream_chat(path: Path) -> Iterator[Row | BadItem]:
    """The exchanges of a .json (a list) or .jsonl file, and the items that cannot be used.

    Raises:
        DataError: the file is missing, no JSON, or no list of objects.
    """
    where = ""
    for where, item in _items(path):
        try:
            yield from list(_exchanges(item, where))
        except BadRow as error:
            yield BadItem(where, str(error))
    if not where:
        raise DataError(f"{path}: holds no conversation")


def read_chat(path: Path) -> tuple[list[Row], list[tuple[str, str]]]:
    """All rows of ``stream_chat``, and pairs of where and why of the items without.

    Raises:
        DataError: as there.
    """
    return rows_and_problems(stream_chat(path))


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


def _exchanges(item: Any, where: str) -> Iterator[Row]:
    if not isinstance(item, Mapping):
        raise BadRow("it is not a JSON object")
    check_item_keys(item)
    turns = read_turns(item)
    media = shown_media(turns, listed_media(item))
    plain = {
        str(key): value if isinstance(value, str) else json.dumps(value)
        for key, value in item.items()
        if isinstance(value, str | int | float | bool) and key not in MADE | {"prompt", "id"}
    }
    past: list[tuple[str, str]] = []
    number, shown, learned = 0, 0, 0
    for turn in turns:
        slots = len(PLACEHOLDER.findall(turn.text))
        text = PLACEHOLDER.sub(MEDIA_SLOT, turn.text).strip()
        if turn.role == "assistant":
            number += 1
            if slots:
                raise BadRow(f"answer {number} has a media placeholder; only questions may")
            if not turn.learned:
                past.append((turn.role, text))
                continue
            learned += 1
            yield plain | _row(item, where, number, _prompt(past), text, media[:shown])
        shown += slots
        past.append((turn.role, text))
    if turns and turns[-1].role != "assistant" and number:
        raise BadRow("its last turn has no answer; remove that turn or answer it")
    if not number:
        raise BadRow("it has no answer: no turn of 'gpt' or 'assistant'")
    if not learned:
        raise BadRow("all of its answers have weight 0, so there is nothing to learn")


def _prompt(past: Sequence[tuple[str, str]]) -> str:
    """A lone question as it is; where both have spoken, every turn with its speaker."""
    both = any(role == "assistant" for role, _ in past)
    return "\n".join(
        f"{role.capitalize()}: {text}" if both and role != "system" else text for role, text in past
    )


def _row(
    item: Mapping[str, Any],
    where: str,
    number: int,
    prompt: str,
    answer: str,
    media: Sequence[tuple[str, str]],
) -> Row:
    identity = str(item.get("id") or where)
    if has_lone_surrogate(prompt + answer + identity):
        raise BadRow("its text holds half of a character (a lone surrogate)")
    path = media[0][1] if media else ""
    return {
        "prompt": prompt,
        "answer": answer,
        "turn": str(number),
        "id": identity,
        "path": path,
        "about": path or identity,
        LISTED: json.dumps(media),
        WHERE: f"{where}, answer {number}",
    }
