"""Conversations with pictures and films, as LLaVA, LLaMA-Factory, ms-swift and TRL users have them.

One exchange becomes one row: what was said before it is part of its prompt. The columns are prompt
(media slots in place), answer, turn (from 1), id, path (of its first medium), about (that path, or
the id where there is no medium) and every other plain value of the item.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transferlab.core.records import MEDIA_SLOT
from transferlab.domain.base.rows import LISTED, WHERE, BadItem, BadRow, Row
from transferlab.domain.rows.source import Source
from transferlab.domain.tables.reader import (
    has_lone_surrogate,
    lines_of,
    rows_and_problems,
    stream_json,
)
from transferlab.errors import DataError

ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
}
_KINDS = ("image", "video")
_PLACEHOLDER = re.compile("<(image|video)>")
_OWN = ("prompt", "answer", "turn", "id", "path", "about", LISTED, WHERE)


@dataclass(kw_only=True)
class _Turn:
    role: str
    text: str
    """With a placeholder for every medium."""
    media: list[str] = field(default_factory=list)
    """Paths that stand in the content itself, in the order of the placeholders."""


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
    if path.suffix.lower() == ".jsonl":
        with lines_of(path) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    try:
                        yield f"{path.name} line {number}", json.loads(line)
                    except (ValueError, RecursionError):
                        raise DataError(f"{path} line {number}: is not JSON") from None
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
    turns = [_turn(one) for one in _messages(item)]
    media = _assign(turns, {kind: _listed(item, kind) for kind in _KINDS})
    plain = {
        str(key): value if isinstance(value, str) else json.dumps(value)
        for key, value in item.items()
        if isinstance(value, str | int | float | bool) and key not in _OWN
    }
    past: list[tuple[str, str]] = []
    number, shown = 0, 0
    for turn in turns:
        slots = len(_PLACEHOLDER.findall(turn.text))
        text = _PLACEHOLDER.sub(MEDIA_SLOT, turn.text).strip()
        if turn.role == "assistant":
            number += 1
            if slots:
                raise BadRow(f"answer {number} has a media placeholder; only questions may")
            yield plain | _row(item, where, number, _prompt(past), text, media[:shown])
        shown += slots
        past.append((turn.role, text))
    if not number:
        raise BadRow("it has no answer: no turn of 'gpt' or 'assistant'")


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


def _messages(item: Mapping[str, Any]) -> list[Any]:
    """The turns, whatever the item calls them."""
    for name in ("messages", "conversations", "conversation"):
        if isinstance(item.get(name), list):
            system = item.get("system")
            first = [{"role": "system", "content": system}] if isinstance(system, str) else []
            return first + item[name]
    prompt, completion = item.get("prompt"), item.get("completion")
    if isinstance(prompt, list) and isinstance(completion, list):
        return prompt + completion
    if isinstance(item.get("query"), str) and isinstance(item.get("response"), str):
        built = {"role": "user", "content": item["query"]}
        return [built, {"role": "assistant", "content": item["response"]}]
    raise BadRow(
        "it has no list 'messages' or 'conversations', no 'prompt' with 'completion', and no "
        "'query' with 'response'"
    )


def _turn(message: Any) -> _Turn:
    if not isinstance(message, Mapping):
        raise BadRow("one of its turns is not a JSON object")
    said = message.get("role", message.get("from"))
    role = ROLES.get(said) if isinstance(said, str) else None
    if role is None:
        raise BadRow(f"the role of one of its turns is none of {', '.join(ROLES)}")
    content = message.get("content", message.get("value"))
    if isinstance(content, str):
        return _Turn(role=role, text=content)
    if not isinstance(content, list):
        raise BadRow("one of its turns has no text")
    turn = _Turn(role=role, text="")
    for part in content:
        _add(turn, part)
    return turn


def _add(turn: _Turn, part: Any) -> None:
    """One part of a content that is a list, as TRL and the hub's chat templates have it."""
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text" and isinstance(part.get("text"), str):
        turn.text += part["text"]
    elif kind in _KINDS:
        turn.text += f"<{kind}>"
        own = part.get(kind) or part.get("path")
        if own is not None:
            turn.media.append(_path(own, kind))
    else:
        raise BadRow("a part of one of its turns is neither text, image nor video")


def _listed(item: Mapping[str, Any], kind: str) -> list[str]:
    given: list[Any] = []
    for name in (kind, f"{kind}s"):
        value = item.get(name)
        given += value if isinstance(value, list) else [] if value is None else [value]
    return [_path(one, kind) for one in given]


def _path(given: Any, kind: str) -> str:
    if isinstance(given, Mapping):
        given = given.get("path")
    if not isinstance(given, str) or not given:
        raise BadRow(f"an {kind} of it is no path; write media out as files")
    if "://" in given or given.startswith("data:"):
        raise BadRow(f"an {kind} of it is an address and no file; download it first")
    return given


def _assign(turns: Sequence[_Turn], listed: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    """The media in the order of their placeholders, as (kind, path).

    Raises:
        BadRow: placeholders and media differ in number.
    """
    own = [path for turn in turns for path in turn.media]
    kinds = [kind for turn in turns for kind in _PLACEHOLDER.findall(turn.text)]
    if own and not any(listed.values()):
        if len(own) != len(kinds):
            raise BadRow(f"it has {len(kinds)} media placeholder(s) and {len(own)} media")
        return list(zip(kinds, own, strict=True))
    for kind in _KINDS:
        there, wanted = len(listed[kind]), kinds.count(kind)
        if own or there != wanted:
            raise BadRow(
                f"its text has {wanted} placeholder(s) <{kind}>, and {there + len(own)} are given"
            )
    left = {kind: iter(paths) for kind, paths in listed.items()}
    return [(kind, next(left[kind])) for kind in kinds]
