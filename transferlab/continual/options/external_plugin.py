"""A plugin that transferlab does not know."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from transferlab.continual.options.base import Needs, StrategyOptions


class PluginOptions(StrategyOptions):
    """Any Avalanche plugin, by its dotted path.

    It sees the batch contract: `strategy.mb_x` is a batch of samples, `strategy.mb_y` are the
    tokens of the answers, and the model's output has one row per token. A plugin that expects one
    class per sample does not fit. Named parameters are the trainable ones.
    """

    paper: ClassVar[str] = "the plugin's own"
    use: ClassVar[str] = "For a plugin of your own, or one that is not in this list."
    needs: ClassVar[Needs] = Needs(extra_passes="the plugin's own")

    path: Annotated[str, Field(pattern=r"^\w+(\.\w+)+$")]
    """Such as `avalanche.training.plugins.EWCPlugin`; the class must be importable."""
    arguments: dict[str, Any] = {}
    """What the class is made with, by name."""
    stateless: bool = False
    """It keeps nothing from one domain to the next. Otherwise a stopped run cannot go on."""
