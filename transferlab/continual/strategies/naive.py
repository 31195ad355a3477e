"""Fine-tuning on one domain after another, unprotected: what forgetting is measured against."""

from __future__ import annotations

from typing import ClassVar

from transferlab.continual.components.strategy import Strategy
from transferlab.continual.options.base import Needs, StrategyOptions


class NaiveOptions(StrategyOptions):
    """Fine-tuning on one domain after another, unprotected."""

    family: ClassVar[str] = "baseline"
    paper: ClassVar[str] = "none"
    use: ClassVar[str] = "As what every other strategy is measured against; it forgets most."
    needs: ClassVar[Needs] = Needs(alone=True)


class Naive(Strategy):
    """Does nothing."""

    name = "naive"
    Options = NaiveOptions
