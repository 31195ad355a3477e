"""Strategies that remember samples, by their ids, and train on them again."""

from __future__ import annotations

from typing import ClassVar, Literal

from transferlab.continual.catalogue.base import (
    Needs,
    PositiveFloat,
    PositiveInt,
    StrategyOptions,
)


class ReplayOptions(StrategyOptions):
    """Rehearsal: remembered samples are trained on beside new ones."""

    paper: ClassVar[str] = "Chaudhry et al. 2019, arXiv:1902.10486"
    use: ClassVar[str] = (
        "Wherever samples of past domains may be kept; hard to beat, also by far more elaborate "
        "strategies."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True, chooses_batches=True, extra_passes="remembered samples in every step"
    )

    memory_samples: PositiveInt = 200
    """How many sample ids are remembered in all."""
    batch_ratio: PositiveFloat = 1.0
    """Remembered samples added to a step per new one: a step of `batch_samples` new samples has
    round(batch_ratio * batch_samples) remembered ones beside them, at least one."""
    policy: Literal["reservoir", "experience_balanced", "class_balanced"] = "experience_balanced"
    """What is kept: a uniform draw from everything seen, the same share of each domain, or the same
    share of each class (every label of a classify task, every other task as one class)."""
