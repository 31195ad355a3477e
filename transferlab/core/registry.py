"""Registries of things that people add: by name, by entry point, or by dotted path.

A registry holds strings; a module is imported only when its name is asked for. Third parties add
an entry without touching the package: in their own distribution's pyproject.toml,

    [project.entry-points."transferlab.strategies"]
    mine = "my_package.mine:Mine"

or without any, where a name may be written: ``my_package.mine:Mine``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from types import FunctionType
from typing import Any, TypeVar

from transferlab.errors import InputError, UnknownName

Value = TypeVar("Value")


def did_you_mean(name: str, known: list[str]) -> str:
    """A hint that names the nearest known word, or an empty string."""
    closest = get_close_matches(name, known, n=1)
    return f" Did you mean '{closest[0]}'?" if closest else ""


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

    def names(self) -> list[str]:
        """Every name, in alphabetical order; what is named by a dotted path has none.

        Raises:
            InputError: a third party's entry has the name of another.
        """
        return sorted({*self._entries, *self._others()})

    def __contains__(self, name: str) -> bool:
        return name in self._entries or name in self._others() or ":" in name

    def get(self, name: str) -> Any:
        """Import and return what ``name`` stands for.

        Args:
            name: of an entry, or ``module:attribute``.

        Raises:
            UnknownName: no such entry; the message names the nearest one.
            InputError: a third party's entry cannot be imported, or has the name of another.
        """
        if name in self._entries:
            return _attribute(self._entries[name])
        self.check(name)
        path = name if ":" in name else self._others()[name]
        try:
            return _attribute(path)
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"{self._kind} '{name}': {path} cannot be imported: {error}"
            ) from error

    def check(self, name: str) -> None:
        """Find out that there is such an entry, without importing it.

        Raises:
            UnknownName: there is none; the message names the nearest one.
            InputError: a third party's entry has the name of another.
        """
        if name not in self:
            hint = did_you_mean(name, self.names())
            raise UnknownName(
                f"Unknown {self._kind} '{name}'.{hint} Known: {', '.join(self.names())}."
            )

    def _others(self) -> Mapping[str, str]:
        """Third parties' entries, by name."""
        found: dict[str, EntryPoint] = {}
        for one in _entry_points(self._group):
            if one.name in self._entries:
                raise InputError(
                    f"{self._kind} '{one.name}' comes with transferlab, and {_origin(one)} brings "
                    "another of that name; rename or uninstall it"
                )
            other = found.setdefault(one.name, one)
            if other.value != one.value:
                raise InputError(
                    f"{self._kind} '{one.name}' is brought by {_origin(other)} and by "
                    f"{_origin(one)}; uninstall one of them"
                )
        return {name: one.value for name, one in found.items()}


def modules_of(package: str) -> dict[str, str]:
    """An entry for every module of a package: the class in it whose ``name`` is the module's, or
    the function that is called as the module is.

    Args:
        package: a dotted path; only the package itself is imported, none of its modules.
    """
    folder = import_module(package).__path__
    return {one.name: f"{package}.{one.name}:" for one in iter_modules(folder)}


class RegistryView(Mapping[str, Value]):
    """A registry's entries seen as something of each: options of strategies, facts of metrics.

    The package's own are given, so that nothing of theirs is imported; third parties' are read off
    the entry when they are asked for.
    """

    def __init__(
        self, own: Mapping[str, Value], registry: Registry, read: Callable[[Any], Value]
    ) -> None:
        """``own``: in the order in which people should read about them."""
        self._own, self._registry, self._read = own, registry, read

    def __getitem__(self, name: str) -> Value:
        if name in self._own:
            return self._own[name]
        if name not in self._registry:
            raise KeyError(name)
        return self._read(self._registry.get(name))

    def __contains__(self, name: object) -> bool:
        return name in self._own or (isinstance(name, str) and name in self._registry)

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from (name for name in self._registry.names() if name not in self._own)

    def __len__(self) -> int:
        return len(list(iter(self)))


def _attribute(path: str) -> Any:
    name, _, attribute = path.partition(":")
    module = import_module(name)
    if attribute:
        return getattr(module, attribute)
    own = name.rpartition(".")[2]
    function = vars(module).get(own)
    if isinstance(function, FunctionType):
        return function
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and value.__module__ == name
            and value.__dict__.get("name") == own
        ):
            return value
    raise AttributeError(
        f"{name} holds neither a function '{own}' nor a class whose name is '{own}'"
    )


@cache
def _entry_points(group: str | None) -> tuple[EntryPoint, ...]:
    """Those of a group; reading them imports nothing."""
    return () if group is None else tuple(entry_points(group=group))


def _origin(one: EntryPoint) -> str:
    return f"the distribution '{one.dist.name}'" if one.dist is not None else one.value
