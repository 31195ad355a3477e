"""The strategies by name; adding one is a file, its options and a line here."""

from __future__ import annotations

from typing import NamedTuple

from transferlab.continual.catalogue.base import NaiveOptions, StrategyOptions
from transferlab.continual.catalogue.penalties import EWCOptions
from transferlab.continual.catalogue.rehearsal import ReplayOptions
from transferlab.core.registry import Registry


class Entry(NamedTuple):
    options: type[StrategyOptions]
    plugin: str
    """"module:class" under ``transferlab.continual``."""


CATALOGUE: dict[str, Entry] = {
    "naive": Entry(NaiveOptions, "naive:Naive"),
    "ewc": Entry(EWCOptions, "ewc:EWC"),
    "replay": Entry(ReplayOptions, "replay:Replay"),
}
"""In the order in which people should read about them."""

OPTIONS: dict[str, type[StrategyOptions]] = {name: one.options for name, one in CATALOGUE.items()}

STRATEGIES = Registry(
    "strategy", {name: f"transferlab.continual.{one.plugin}" for name, one in CATALOGUE.items()}
)
"""Avalanche plugins, made as ``plugin(options, seed=...)``; importing one imports Avalanche."""
