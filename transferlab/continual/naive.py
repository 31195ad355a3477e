"""Fine-tuning on one domain after another, unprotected: what forgetting is measured against."""

from __future__ import annotations

from transferlab.continual.catalogue.base import NaiveOptions
from transferlab.continual.strategy import Strategy


class Naive(Strategy):
    """Does nothing."""

    def __init__(self, options: NaiveOptions, *, seed: int) -> None:
        super().__init__()
