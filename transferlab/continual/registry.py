"""The strategies by name; adding one is a file, its options and a line here."""

from __future__ import annotations

from transferlab.core.registry import Registry

STRATEGIES = Registry(
    "strategy",
    {
        "naive": "transferlab.continual.naive:Naive",
        "ewc": "transferlab.continual.ewc:EWC",
        "replay": "transferlab.continual.replay:Replay",
    },
)
"""Avalanche plugins, made as ``plugin(options, seed=...)``; importing one imports Avalanche."""
