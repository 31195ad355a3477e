"""Registries of things that people add: by name, by entry point, or by dotted path.

A registry holds strings; a module is imported only when its name is asked for. Third parties add
an entry without touching the package: in their own distribution's pyproject.toml,

    [project.entry-points."transferlab.strategies"]
    mine = "my_package.mine:Mine"

or without any, where a name may be written: ``my_package.mine:Mine``.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from transferlab.errors import InputError, UnknownName

ENTRY = "ENTRY"
"""What a module of a scanned package calls the thing that it registers under its own name."""


def did_you_mean(name: str, known: list[str]) -> str:
    """A hint that names the nearest known word, or an empty string."""
    near = get_close_matches(name, known, n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


class Registry:
    """Names mapped to ``"module:attribute"`` strings, the package's own and third parties'."""

    def __init__(self, kind: str, entries: Mapping[str, str], *, group: str | None = None) -> None:
        """
        Args:
            kind: what an entry is called in messages, such as "strategy".
            entries: the package's own, by name.
            group: of the entry points by which third parties add theirs; None takes none.
        """
        self._kind, self._entries, self._group = kind, dict(entries), group

    @classmethod
    def of_package(cls, kind: str, package: str, *, group: str | None = None) -> Registry:
        """One entry per module of ``package``, under the module's name; each has an ``ENTRY``.

        Modules whose names begin with an underscore hold none.
        """
        spec = find_spec(package)
        folders = (spec and spec.submodule_search_locations) or ()
        names = [one.name for one in pkgutil.iter_modules(folders) if not one.name.startswith("_")]
        return cls(kind, {name: f"{package}.{name}:{ENTRY}" for name in names}, group=group)

    def names(self) -> list[str]:
        """Every name, in alphabetical order; what is named by a dotted path has none."""
        return sorted({**_third_parties(self._group), **self._entries})

    def __contains__(self, name: str) -> bool:
        return name in self._entries or name in _third_parties(self._group) or ":" in name

    def get(self, name: str) -> Any:
        """Import and return what ``name`` stands for.

        Args:
            name: of an entry, or ``module:attribute``.

        Raises:
            UnknownName: no such entry; the message names the nearest one.
            InputError: a third party's entry cannot be imported.
        """
        if name in self._entries:
            return _attribute(self._entries[name])
        path = name if ":" in name else _third_parties(self._group).get(name)
        if path is None:
            hint = did_you_mean(name, self.names())
            raise UnknownName(
                f"Unknown {self._kind} '{name}'.{hint} Known: {', '.join(self.names())}."
            )
        try:
            return _attribute(path)
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"{self._kind} '{name}': {path} cannot be imported: {error}"
            ) from error


def _attribute(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


@cache
def _third_parties(group: str | None) -> Mapping[str, str]:
    """By name, the entry points of a group; reading them imports nothing."""
    if group is None:
        return {}
    return {one.name: one.value for one in entry_points(group=group)}
