"""Settings as MLflow's params: flat, text, and short enough for any store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_CHARACTERS = 6000
BATCH_PARAMS = 100
"""What MLflow takes in one request."""
_MARK = "... [cut: {length} characters; whole in params/{key}.txt]"


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings under dotted names, e.g. ``train.learning_rate``.

    A list of plain values is one text, joined by ", ". In a list of mappings each item goes by its
    ``name``, or by its position. None is "null", as in YAML.
    """
    flat: dict[str, str] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            value = {_item_name(item, at): _without_name(item) for at, item in enumerate(value)}
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = _text(value)
    return flat


def shorten(key: str, value: str) -> str:
    """``value``, or its beginning and a mark that says where the whole is."""
    if len(value) <= MAX_CHARACTERS:
        return value
    mark = _MARK.format(length=len(value), key=key)
    return value[: MAX_CHARACTERS - len(mark)] + mark


def _item_name(item: Any, position: int) -> str:
    return str(item["name"]) if isinstance(item, Mapping) and "name" in item else str(position)


def _without_name(item: Any) -> Any:
    if not isinstance(item, Mapping) or "name" not in item:
        return item
    # An entry that is only a name still shows that it is there.
    rest = {key: value for key, value in item.items() if key != "name"}
    return {"name": item["name"]} | rest


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[]" if not value else ", ".join(_text(item) for item in value)
    if isinstance(value, Mapping):
        return "{}"
    return str(value)
