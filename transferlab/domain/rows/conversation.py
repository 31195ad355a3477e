"""The turns of one item of conversations, in the forms that LLaVA, LLaMA-Factory, ms-swift and TRL
write, and the media that are shown in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from transferlab.core.text.conversation import Role
from transferlab.domain.base.rows import BadRow
from transferlab.domain.rows.chat_keys import (
    FORMS,
    check_keys,
    check_text,
    check_turn_keys,
    first_value,
    is_empty,
)

ROLES: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
    "tool": "tool",
    "observation": "tool",
}
"""By what a file calls the speaker."""
KINDS = ("image", "video")
PLACEHOLDER = re.compile("<(image|video)>")
_WEIGHTS = ("weight", "loss", "train", "trainable")
_PAIRS = (("prompt", "completion"), ("query", "response"), ("instruction", "output"))
"""Keys of a question and of its answer, as texts."""


@dataclass(kw_only=True)
class SpokenTurn:
    """What one side says, as the file has it."""

    role: Role
    text: str
    """With a placeholder for every medium."""
    media: list[str] = field(default_factory=list)
    """Paths that stand in the content itself, in the order of the placeholders."""
    numbers: list[int] = field(default_factory=list)
    """What the content says about which of the item's media are shown, from 0."""
    learned: bool = True
    """Of an answer: whether it is to be learned, and is not only what was said before."""


def read_turns(item: Mapping[str, Any]) -> list[SpokenTurn]:
    """All that is said in an item, in its order.

    Raises:
        BadRow: there is nothing, or something of it would be dropped.
    """
    messages, form = _messages(item)
    turns = [_turn(one) for one in messages]
    _check_rest(item, form, turns)
    return turns


def listed_media(item: Mapping[str, Any]) -> dict[str, list[str]]:
    """The paths beside the turns, by kind of medium.

    Raises:
        BadRow: one of them is no path.
    """
    return {kind: _listed(item, kind) for kind in KINDS}


def shown_media(
    turns: Sequence[SpokenTurn], listed: Mapping[str, list[str]]
) -> list[tuple[str, str]]:
    """The media in the order of their placeholders, as (kind, path).

    Raises:
        BadRow: placeholders and media differ in number.
    """
    own = [path for turn in turns for path in turn.media]
    kinds = [kind for turn in turns for kind in PLACEHOLDER.findall(turn.text)]
    if own and not any(listed.values()):
        if len(own) != len(kinds):
            raise BadRow(f"it has {len(kinds)} media placeholder(s) and {len(own)} media")
        return list(zip(kinds, own, strict=True))
    for kind in KINDS:
        there, wanted = len(listed[kind]), kinds.count(kind)
        if own or there != wanted:
            raise BadRow(
                f"its text has {wanted} placeholder(s) <{kind}>, and {there + len(own)} are given"
            )
    left = {kind: iter(paths) for kind, paths in listed.items()}
    return [(kind, next(left[kind])) for kind in kinds]


def _messages(item: Mapping[str, Any]) -> tuple[list[Any], tuple[str, ...]]:
    """The turns, after the item's system text and its history, and the keys where they stand."""
    first = _before(item)
    for name in FORMS:
        if isinstance(item.get(name), list):
            return first + item[name], (name,)
    prompt, completion = item.get("prompt"), item.get("completion")
    if isinstance(prompt, list) and isinstance(completion, list):
        return first + [_as_context(one) for one in prompt] + completion, ("prompt", "completion")
    for user_key, answered in _PAIRS:
        question, answer = item.get(user_key), item.get(answered)
        if isinstance(question, str) and isinstance(answer, str):
            used: tuple[str, ...] = (user_key, answered)
            if user_key == "instruction" and isinstance(item.get("input"), str):
                question = "\n".join(filter(None, [question, item["input"]]))
                used += ("input",)
            return first + _exchange(question, answer), used
    raise BadRow(
        "it has no list 'messages' or 'conversations', no 'prompt' with 'completion', no 'query' "
        "with 'response', and no 'instruction' with 'output'"
    )


def _check_rest(
    item: Mapping[str, Any], form: tuple[str, ...], turns: Sequence[SpokenTurn]
) -> None:
    """
    Raises:
        BadRow: another key says more than the turns that are read; or pictures are numbered in
            another order than that in which they are shown.
    """
    texts = {turn.text for turn in turns}
    for key in (*FORMS, *(key for pair in _PAIRS for key in pair), "input"):
        value = item.get(key)
        if key not in form and not is_empty(value) and not (_is_text(value) and value in texts):
            raise BadRow(f"its key '{key}' is not read beside '{form[0]}'; keep one of them")
    numbers = [number for turn in turns for number in turn.numbers]
    if numbers != list(range(len(numbers))):
        raise BadRow("its parts show media by 'index' in another order than they are listed in")


def _exchange(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def _before(item: Mapping[str, Any]) -> list[Any]:
    """The system text and the exchanges of ``history``, which are not learned again."""
    system = item.get("system") or ""
    if not isinstance(system, str):
        raise BadRow("its 'system' is no text")
    turns: list[Any] = [{"role": "system", "content": system}] if system else []
    for pair in item.get("history") or []:
        if not (isinstance(pair, list) and len(pair) == 2 and all(map(_is_text, pair))):
            raise BadRow("its 'history' is no list of pairs of question and answer")
        question, answer = _exchange(*pair)
        turns += [question, answer | {"weight": 0}]
    return turns


def _as_context(message: Any) -> Any:
    """A turn of a prompt, whose answers are learned only if they say so themselves."""
    if not isinstance(message, Mapping) or any(message.get(key) is not None for key in _WEIGHTS):
        return message
    answers = (ROLES.get(str(message.get(key))) == "assistant" for key in ("role", "from"))
    return {**message, "weight": 0} if any(answers) else message


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _turn(message: Any) -> SpokenTurn:
    if not isinstance(message, Mapping):
        raise BadRow("one of its turns is not a JSON object")
    role_value = first_value(message, ("role", "from"))
    role = ROLES.get(role_value) if isinstance(role_value, str) else None
    if role_value == "function_call":
        raise BadRow(
            "a turn of 'function_call' is a tool's call in no backbone's own words; write it as an "
            "answer, a turn of 'gpt', the way that the backbone's template writes calls"
        )
    if role is None:
        raise BadRow(f"the role of one of its turns is none of {', '.join(ROLES)}")
    check_turn_keys(message)
    turn = SpokenTurn(role=role, text="", learned=_learned(message, role))
    content = first_value(message, ("content", "value"))
    if isinstance(content, str):
        turn.text = content
    elif isinstance(content, list):
        for part in content:
            _add(turn, part)
    else:
        raise BadRow("one of its turns has no text")
    check_text(turn.text)
    return turn


def _learned(message: Mapping[str, Any], role: str) -> bool:
    """Whether a turn is to be learned: 0 or false says that it is not, 1 or true that it is."""
    given = [message[key] for key in _WEIGHTS if message.get(key) is not None]
    if any(value not in (0, 1) for value in given):
        raise BadRow("a turn's weight is neither 0 nor 1; only these two are read")
    if role != "assistant" and any(given):
        raise BadRow("a turn that is no answer is to be learned (its weight); only answers are")
    return all(given)


def _add(turn: SpokenTurn, part: Any) -> None:
    """One part of a content that is a list, as TRL and the hub's chat templates have it."""
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text" and isinstance(part.get("text"), str):
        check_keys(part, ("type", "text"), "a part's")
        turn.text += part["text"]
    elif kind in KINDS:
        check_keys(part, ("type", kind, "path", "index"), "a part's")
        turn.text += f"<{kind}>"
        own = first_value(part, (kind, "path"))
        if not is_empty(own):
            turn.media.append(_path(own, kind))
        if part.get("index") is not None:
            turn.numbers.append(part["index"])
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
        if given.get("path"):
            check_keys(given, ("path",), f"an {kind}'s")
        given = given.get("path")
    if not isinstance(given, str) or not given:
        raise BadRow(f"an {kind} of it is no path; write media out as files")
    if "://" in given or given.startswith("data:"):
        raise BadRow(f"an {kind} of it is an address and no file; download it first")
    return given
