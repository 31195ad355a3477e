"""A JSON list, or object, read item by item, so that the file need not fit into memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import IO, Any

_SPACE = re.compile(r"[ \t\n\r]*")
_AFTER_NUMBER = " \t\n\r,]}"
_AT_ONCE = 1 << 16
MAX_ITEM_CHARACTERS = 64 * 1024**2
"""Of one item, which is in memory as a whole."""


class NoItems(ValueError):
    """The text is JSON, and neither a list nor an object."""


class RepeatedKey(ValueError):
    """An object names a key twice, of which JSON's readers keep the last."""


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise RepeatedKey(f"an object names the key '{twice}' twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unrepeated)


def parse_json(text: str) -> Any:
    """A JSON value in which no key is lost.

    Raises:
        RepeatedKey: an object names a key twice.
        ValueError: it is not JSON, or a number in it is too long.
        RecursionError: it is nested too deeply.
    """
    return _DECODER.decode(text)


def describe_json_error(error: ValueError | RecursionError) -> str:
    """Why a text is no JSON, in a few words."""
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    if isinstance(error, RepeatedKey):
        return str(error)
    return "nested too deeply" if isinstance(error, RecursionError) else "a number is too long"


def stream_items(file: IO[str]) -> Iterator[tuple[str | None, Any]]:
    """The items of a list with None, or the values of an object with their names.

    What follows a mistake is not read; what came before it has been yielded by then.

    Args:
        file: open at its beginning.

    Raises:
        NoItems: it holds something else.
        ValueError: it is not JSON, a number in it is too long, or an item is larger than
            ``MAX_ITEM_CHARACTERS``.
        RecursionError: an item is nested too deeply.
    """
    text = _Text(file)
    opening = text.ahead()
    if opening == "[":
        yield from ((None, item) for item in _listed(text))
    elif opening == "{":
        yield from _named(text)
    else:
        text.value()
        raise NoItems
    if text.ahead():
        raise _wrong("Extra data")


def _listed(text: _Text) -> Iterator[Any]:
    text.skip("[")
    if text.ahead() == "]":
        text.skip("]")
        return
    while True:
        yield text.value()
        if text.ahead() == "]":
            text.skip("]")
            return
        text.skip(",")


def _named(text: _Text) -> Iterator[tuple[str, Any]]:
    text.skip("{")
    if text.ahead() == "}":
        text.skip("}")
        return
    while True:
        if text.ahead() != '"':
            raise _wrong("Expecting property name enclosed in double quotes")
        name = text.value()
        text.skip(":")
        yield name, text.value()
        if text.ahead() == "}":
            text.skip("}")
            return
        text.skip(",")


def _wrong(what: str) -> json.JSONDecodeError:
    return json.JSONDecodeError(what, "", 0)


class _Text:
    """A file's text, of which as much is in memory as the item that is being read takes."""

    def __init__(self, file: IO[str]) -> None:
        self._file, self._here, self._at = file, "", 0

    def ahead(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            space = _SPACE.match(self._here, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._here):
                return self._here[self._at]
            if not self._more():
                return ""

    def skip(self, mark: str) -> None:
        """Pass over a character that must come next."""
        if self.ahead() != mark:
            raise _wrong(f"Expecting '{mark}' delimiter")
        self._at += 1

    def value(self) -> Any:
        """The JSON value that comes next."""
        self.ahead()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._here, self._at)
            except json.JSONDecodeError:
                if self._more():
                    continue  # it may only have been cut off
                raise
            # Of a number that goes on, "2." or "1e", the beginning is one too.
            after = self._here[end : end + 1]
            if (after and after in _AFTER_NUMBER) or not isinstance(value, int | float):
                break
            if not self._more():
                break
        self._at = end
        return value

    def _more(self) -> bool:
        """Read as much again as is left here, at the least; where there is none nothing changes."""
        if len(self._here) - self._at > MAX_ITEM_CHARACTERS:
            raise _wrong("an item is larger than 64 MiB, or a bracket is not closed")
        new = self._file.read(max(_AT_ONCE, len(self._here) - self._at))
        if new:
            self._here, self._at = self._here[self._at :] + new, 0
        return bool(new)
