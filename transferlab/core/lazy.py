"""Libraries that are imported late: torch at its first use, and those that not everybody has.

What a pipeline may name (strategies, their options) must be readable without torch: importing it
takes seconds, and ``validate`` answers in half a one. Modules that are read for their options take
``torch`` and ``nn`` from here; type annotations name torch's classes under ``TYPE_CHECKING``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from transferlab.errors import MissingExtra

if TYPE_CHECKING:
    import torch
    from torch import nn

P = ParamSpec("P")
R = TypeVar("R")


class LazyModule(ModuleType):
    """Stands for a module and becomes its likeness at the first use of an attribute."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python itself asks of a module imports nothing
            raise AttributeError(name)
        module = import_module(self.__name__)
        value = getattr(module, name)
        setattr(self, name, value)  # found without this detour from now on
        return value


if not TYPE_CHECKING:
    torch, nn = LazyModule("torch"), LazyModule("torch.nn")


def no_grad(function: Callable[P, R]) -> Callable[P, R]:
    """``torch.no_grad()`` around a function."""

    @wraps(function)
    def without(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.no_grad():
            return function(*args, **kwargs)

    return without


def enable_grad(function: Callable[P, R]) -> Callable[P, R]:
    """``torch.enable_grad()`` around a function."""

    @wraps(function)
    def within(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.enable_grad():
            return function(*args, **kwargs)

    return within


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional library, or say which extra brings it and why it was wanted.

    Raises:
        MissingExtra: the library is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise  # the library is there; something inside it is broken
        command = f"pip install 'transferlab[{extra}]'"
        raise MissingExtra(f"{purpose} needs '{module}': {command}") from error
