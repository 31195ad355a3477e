"""Samples of two domains, and learners over the toy backbone."""

import pytest
from continual_cases import make_samples

from transferlab.config.pipeline import StrategySpec, TrainSection
from transferlab.continual.engine.learner import Learner
from transferlab.core.records import Sample


@pytest.fixture
def xray() -> list[Sample]:
    return make_samples("xray", 23)


@pytest.fixture
def lecture() -> list[Sample]:
    return make_samples("lecture", 17)


@pytest.fixture
def make_learner():
    """``make_learner(backbone, "ewc", replay={...}, seed=1, train={...})``."""

    def make(backbone, *names, train=None, seed=0, listener=None, learning_rate=None, **options):
        specs = [StrategySpec(name=name) for name in names]
        specs += [StrategySpec(name=name, options=given) for name, given in options.items()]
        section = TrainSection(
            **{"epochs": 2, "batch_samples": 4, "learning_rate": 2e-3, **(train or {})}
        )
        return Learner(
            backbone,
            specs or [StrategySpec(name="naive")],
            section,
            seed=seed,
            listener=listener or (lambda event: None),
            learning_rate=learning_rate,
        )

    return make
