"""Any plugin of Avalanche, or of somebody else, by its dotted path."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from transferlab.continual.avalanche_api import SupervisedPlugin
from transferlab.continual.components.strategy import DatasetOf, Strategy
from transferlab.continual.options.external_plugin import PluginOptions
from transferlab.errors import InputError


def make_plugin(options: PluginOptions, *, seed: int) -> Strategy:
    """The plugin, as a strategy that says whether a run with it can be resumed.

    Raises:
        InputError: there is no such class, it is no plugin, or the arguments are not its own.
    """
    plugin = _find(options.path)
    try:
        inspect.signature(plugin).bind(**options.arguments)
    except TypeError as error:
        raise InputError(f"strategy.plugin.arguments: {options.path}: {error}") from error
    kind = type("Plugin", (_ExternalPlugin, plugin), {"options": options})
    return kind(**options.arguments)


class _ExternalPlugin(Strategy):
    """What a foreign plugin cannot do by itself."""

    options: PluginOptions

    def __init__(self, **arguments: Any) -> None:
        # Past Strategy's own: an argument of the plugin may be called seed or options.
        super(Strategy, self).__init__(**arguments)
        self.terms = {}

    def state_dict(self) -> dict[str, Any]:
        return {"stateless": self.options.stateless}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        """
        Raises:
            InputError: the plugin may have kept something that is lost.
        """
        self._refuse_to_go_on()

    def load_stage_state(self, state: Mapping[str, Any]) -> None:
        """As between two domains."""
        self._refuse_to_go_on()

    def _refuse_to_go_on(self) -> None:
        if not self.options.stateless:
            raise InputError(
                f"strategy.plugin: {self.options.path} cannot say what it keeps between steps or "
                "domains, so a run with it cannot be resumed; start afresh, or set stateless: true "
                "if it keeps nothing"
            )


def _find(path: str) -> type[SupervisedPlugin]:
    module_name, _, class_name = path.rpartition(".")
    try:
        found = getattr(import_module(module_name), class_name, None)
    except ModuleNotFoundError as error:
        raise InputError(
            f"strategy.plugin.path: {path}: there is no module '{error.name}'"
        ) from error
    if not (isinstance(found, type) and issubclass(found, SupervisedPlugin)):
        raise InputError(
            f"strategy.plugin.path: {path} is not a class derived from Avalanche's SupervisedPlugin"
        )
    return found
