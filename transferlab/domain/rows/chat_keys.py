"""Keys of conversations: which are read, which name an item only, and which would be dropped."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from transferlab.domain.base.rows import LISTED, TURNS, WHERE, BadRow

FORMS = ("messages", "conversations", "conversation")
"""Where the turns of an item stand, if they are a list."""
READ = frozenset(
    [
        *FORMS,
        *("system", "history", "prompt", "completion", "query", "response"),
        *("instruction", "input", "output", "image", "images", "video", "videos", "id"),
    ]
)
"""Keys of an item that are read; other plain values become columns."""
MEANINGFUL = frozenset(
    [
        *("weight", "weights", "sample_weight", "response_weights", "loss", "loss_scale"),
        *("loss_weight", "loss_mask", "mask", "mask_history", "train", "trainable"),
        *("train_on_input", "train_on_inputs", "label", "kto_tag", "reward", "margin"),
        *("rejected", "rejected_response", "rejected_responses", "rejected_messages"),
        *("rejected_images", "rejected_output", "chosen", "chosen_response", "chosen_messages"),
        *("positive", "negative", "positive_messages", "negative_messages", "preference"),
        *("tools", "tool_calls", "functions", "function_call", "audio", "audios"),
        *("objects", "bbox", "bboxes", "boxes", "box", "ref", "prefix", "suffix"),
        *("thinking", "reasoning", "reasoning_content"),
    ]
)
"""Keys of an item that say how, or whether, its answers are to be learned, and are not read."""
OTHER_MEDIA = frozenset(
    f"{noun}{ending}"
    for noun in ("image", "video", "audio", "img", "picture", "photo", "media", "frame", "speech")
    for ending in ("_path", "_paths", "_file", "_files", "_url", "_urls", "_name", "_names", "s")
) - {"images", "videos", "audios"} | {"img", "picture", "photo", "media", "medias", "speech"}
"""Keys that name what should be shown, and are not read."""
MADE = frozenset(["answer", "turn", "path", "about", LISTED, TURNS, WHERE])
"""Columns that are made of an item; a key of that name would be lost."""
TURN_READ = frozenset(["role", "from", "content", "value", "weight", "loss", "train", "trainable"])
TURN_IGNORED = frozenset(["id", "name", "index", "timestamp", "date", "model", "source"])
"""Keys of a turn that name it and say nothing else."""
_UNREAD_PLACEHOLDER = re.compile("<(?:audio|bbox|ref-object|img)>")


def is_empty(value: Any) -> bool:
    """Whether a value says nothing."""
    return value is None or value in ("", [], {})


def check_item_keys(item: Mapping[str, Any]) -> None:
    """
    Raises:
        BadRow: a key says something that would be dropped.
    """
    for key, value in item.items():
        if not is_empty(value) and key not in READ:
            _check_unread(key, value)


def _check_unread(key: str, value: Any) -> None:
    plain = key.strip().lower().replace("-", "_")
    if plain in MEANINGFUL:
        raise BadRow(
            f"its key '{key}' says how its answers are to be learned, which is not read here; "
            "make conversations of the answers to be learned, without that key"
        )
    if plain in OTHER_MEDIA:
        raise BadRow(
            f"its key '{key}' names media that would not be shown; pictures are read from "
            "'images', films from 'videos'"
        )
    if plain in READ:
        raise BadRow(f"its key '{key}' is read as '{plain}' only; write it so")
    if key in MADE:
        raise BadRow(f"its key '{key}' has the name of a column that is made here; rename it")
    if not isinstance(value, str | int | float | bool):
        raise BadRow(f"its key '{key}' holds what is not read here; remove it or write it as text")


def check_turn_keys(message: Mapping[str, Any]) -> None:
    """
    Raises:
        BadRow: a key of a turn would be dropped.
    """
    check_keys(message, TURN_READ | TURN_IGNORED, "a turn's")


def check_keys(given: Mapping[str, Any], known: Collection[str], whose: str) -> None:
    """
    Raises:
        BadRow: a key that is not known says something.
    """
    for key, value in given.items():
        if key not in known and not is_empty(value):
            raise BadRow(f"{whose} key '{key}' is not read here; remove it or write it as text")


def first_value(given: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The value of the first of several names of one thing; None where none is there.

    Raises:
        BadRow: two of them say different things.
    """
    values = [given[name] for name in names if given.get(name) is not None]
    present = [value for value in values if not is_empty(value)]
    if any(value != present[0] for value in present[1:]):
        raise BadRow(f"its keys {' and '.join(map(repr, names))} say different things")
    return (present or values or [None])[0]


def check_text(text: str) -> None:
    """
    Raises:
        BadRow: a text has the placeholder of something that is not read.
    """
    found = _UNREAD_PLACEHOLDER.search(text)
    if found:
        raise BadRow(f"a text of it has the placeholder {found[0]}, which nothing is put into here")
