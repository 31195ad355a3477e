"""The strategies by name.

One of ours is a file, its options and a line here. A third party's is one class with its
``Options``, named by an entry point of the group ``transferlab.strategies`` or its dotted path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from transferlab.continual.options import (
    averaging,
    distillation,
    external_plugin,
    isolation,
    penalties,
    projection,
    rehearsal,
)
from transferlab.continual.options.base import NaiveOptions, StrategyOptions
from transferlab.core.registry import Registry, RegistryView
from transferlab.errors import InputError


class Entry(NamedTuple):
    options: type[StrategyOptions]
    plugin: str
    """"module:attribute" under ``transferlab.continual``."""


CATALOGUE: dict[str, Entry] = {
    "naive": Entry(NaiveOptions, "naive:Naive"),
    "replay": Entry(rehearsal.ReplayOptions, "replay:Replay"),
    "ewc": Entry(penalties.EWCOptions, "ewc:EWC"),
    "si": Entry(penalties.SIOptions, "si:SI"),
    "mas": Entry(penalties.MASOptions, "mas:MAS"),
    "rwalk": Entry(penalties.RWalkOptions, "rwalk:RWalk"),
    "l2": Entry(penalties.L2Options, "l2:L2"),
    "lwf": Entry(distillation.LwFOptions, "lwf:LwF"),
    "feature_distillation": Entry(
        distillation.FeatureDistillationOptions, "feature_distillation:FeatureDistillation"
    ),
    "er_ace": Entry(rehearsal.ERACEOptions, "er_ace:ERACE"),
    "der": Entry(rehearsal.DEROptions, "der:DER"),
    "mir": Entry(rehearsal.MIROptions, "mir:MIR"),
    "gss": Entry(rehearsal.GSSOptions, "gss:GSS"),
    "agem": Entry(projection.AGEMOptions, "agem:AGEM"),
    "gem": Entry(projection.GEMOptions, "gem:GEM"),
    "self_distillation": Entry(
        averaging.SelfDistillationOptions, "self_distillation:SelfDistillation"
    ),
    "pseudo_replay": Entry(averaging.PseudoReplayOptions, "pseudo_replay:PseudoReplay"),
    "per_domain": Entry(averaging.PerDomainOptions, "per_domain:PerDomain"),
    "o_lora": Entry(isolation.OLoRAOptions, "o_lora:OLoRA"),
    "moe_lora": Entry(isolation.MoELoRAOptions, "moe_lora:MoELoRA"),
    "osf": Entry(isolation.OSFOptions, "osf:OSF"),
    "ema": Entry(averaging.EMAOptions, "averaging:EMA"),
    "interpolate": Entry(averaging.InterpolateOptions, "averaging:Interpolate"),
    "merge": Entry(averaging.MergeOptions, "merge:Merge"),
    "gdumb": Entry(rehearsal.GDumbOptions, "from_scratch:GDumb"),
    "cumulative": Entry(rehearsal.CumulativeOptions, "cumulative:Cumulative"),
    "from_scratch": Entry(rehearsal.FromScratchOptions, "from_scratch:FromScratch"),
    "plugin": Entry(external_plugin.PluginOptions, "external_plugin:make_plugin"),
}
"""In the order in which people should read about them."""

STRATEGIES = Registry(
    "strategy",
    {name: f"transferlab.continual.strategies.{one.plugin}" for name, one in CATALOGUE.items()},
    group="transferlab.strategies",
)
"""Avalanche plugins, made as ``plugin(options, seed=...)``; importing one imports Avalanche."""


def _options_of(plugin: Any) -> type[StrategyOptions]:
    """What can be set for a third party's strategy: its class attribute ``Options``.

    Raises:
        InputError: it has none.
    """
    options = getattr(plugin, "Options", None)
    if not (isinstance(options, type) and issubclass(options, StrategyOptions)):
        raise InputError(
            f"strategy '{getattr(plugin, '__qualname__', plugin)}': needs a class attribute "
            "Options, derived from transferlab.continual.options.base.StrategyOptions"
        )
    return options


OPTIONS: Mapping[str, type[StrategyOptions]] = RegistryView(
    {name: one.options for name, one in CATALOGUE.items()}, STRATEGIES, _options_of
)
"""What can be set for each strategy. Looking at ours imports no torch."""
