"""The strategies by name: one file of ``continual/strategies`` each, and third parties'.

A file ``ewc.py`` holds the class whose ``name`` is "ewc", with its ``Options``; there is no list to
add it to. A third party's is such a class too, named by an entry point of the group
``transferlab.strategies`` or by its dotted path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from transferlab.continual.options.base import FAMILIES, StrategyOptions
from transferlab.core.registry import Registry, modules_of
from transferlab.errors import InputError

STRATEGIES = Registry(
    "strategy", modules_of("transferlab.continual.strategies"), group="transferlab.strategies"
)
"""Classes derived from ``Strategy``. Importing one brings no torch and no Avalanche."""


class _Options(Mapping[str, type[StrategyOptions]]):
    """What can be set for each strategy, by families, as people should read about them."""

    def __getitem__(self, name: str) -> type[StrategyOptions]:
        if name not in STRATEGIES:
            raise KeyError(name)
        return _options_of(STRATEGIES.get(name))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in STRATEGIES

    def __iter__(self) -> Iterator[str]:
        yield from sorted(STRATEGIES.names(), key=lambda name: (_rank(self[name]), name))

    def __len__(self) -> int:
        return len(STRATEGIES.names())


OPTIONS: Mapping[str, type[StrategyOptions]] = _Options()


def _rank(options: type[StrategyOptions]) -> int:
    known = options.family in FAMILIES
    return FAMILIES.index(options.family) if known else len(FAMILIES)


def _options_of(strategy: Any) -> type[StrategyOptions]:
    """What can be set for a strategy: its class attribute ``Options``.

    Raises:
        InputError: it has none.
    """
    options = getattr(strategy, "Options", None)
    if not (isinstance(options, type) and issubclass(options, StrategyOptions)):
        raise InputError(
            f"strategy '{getattr(strategy, '__qualname__', strategy)}': needs a class attribute "
            "Options, derived from transferlab.continual.options.base.StrategyOptions"
        )
    return options
