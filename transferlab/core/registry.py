"""Registries hold strings; a module is imported only when its name is asked for."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from transferlab.errors import UnknownName


def did_you_mean(name: str, known: list[str]) -> str:
    """A hint that names the nearest known word, or an empty string."""
    near = get_close_matches(name, known, n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


class Registry:
    """Names mapped to ``"module:attribute"`` strings."""

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self._kind, self._entries = kind, dict(entries)

    def names(self) -> list[str]:
        return sorted(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def get(self, name: str) -> Any:
        """Import and return what ``name`` stands for.

        Raises:
            UnknownName: no such entry; the message names the nearest one.
        """
        if name not in self._entries:
            hint = did_you_mean(name, self.names())
            raise UnknownName(
                f"Unknown {self._kind} '{name}'.{hint} Known: {', '.join(self.names())}."
            )
        module, _, attribute = self._entries[name].partition(":")
        return getattr(import_module(module), attribute)
