"""Fine-tuning on one domain after another, unprotected: what forgetting is measured against."""

from __future__ import annotations

from transferlab.continual.components.strategy import Strategy


class Naive(Strategy):
    """Does nothing."""
