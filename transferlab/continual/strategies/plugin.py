"""Any plugin of Avalanche, or of somebody else, by its dotted path."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from transferlab.continual.components.strategy import DatasetOf, Strategy
from transferlab.continual.options.base import Needs, StrategyOptions
from transferlab.errors import InputError

if TYPE_CHECKING:
    from transferlab.continual.avalanche_api import SupervisedPlugin


class PluginOptions(StrategyOptions):
    """Any Avalanche plugin, by its dotted path.

    It sees the batch contract: `strategy.mb_x` is a batch of samples, `strategy.mb_y` are the
    tokens of the answers, and the model's output has one row per token. A plugin that expects one
    class per sample does not fit. Named parameters are the trainable ones.
    """

    family: ClassVar[str] = "plugin"
    paper: ClassVar[str] = "the plugin's own"
    use: ClassVar[str] = "For a plugin of your own, or one that is not in this list."
    needs: ClassVar[Needs] = Needs(extra_passes="the plugin's own")

    path: Annotated[str, Field(pattern=r"^\w+(\.\w+)+$")]
    """Such as `avalanche.training.plugins.EWCPlugin`; the class must be importable."""
    arguments: dict[str, Any] = {}
    """What the class is made with, by name."""
    stateless: bool = False
    """It keeps nothing from one domain to the next. Otherwise a stopped run cannot go on."""


class Plugin(Strategy):
    """A plugin of somebody else's, and what it cannot do by itself."""

    name = "plugin"
    Options = PluginOptions
    reads_step_output = True

    options: PluginOptions

    @classmethod
    def from_options(cls, options: PluginOptions, *, seed: int) -> Strategy:
        """The plugin, as a strategy that says whether a run with it can be resumed.

        Raises:
            InputError: there is no such class, it is no plugin, or the arguments are not its own.
        """
        plugin = _find(options.path)
        try:
            inspect.signature(plugin).bind(**options.arguments)
        except TypeError as error:
            raise InputError(f"strategy.plugin.arguments: {options.path}: {error}") from error
        kind = type("Plugin", (cls, plugin), {"options": options})
        return kind(**options.arguments)

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
    from transferlab.continual.avalanche_api import SupervisedPlugin

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
