"""A strategy of somebody else's distribution: listed, validated, and trained with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODULE = '''
"""Holds every trainable parameter at its first value by a share of the distance."""

from typing import ClassVar

import torch

from transferlab.continual.components.strategy import Strategy
from transferlab.continual.options.base import Needs, StrategyOptions


class PullOptions(StrategyOptions):
    """Pull every parameter back towards where it began."""

    paper: ClassVar[str] = "none"
    use: ClassVar[str] = "In examples."
    needs: ClassVar[Needs] = Needs(copies=1)

    share: float = 0.5
    """Of the distance, taken back after every step."""


class Pull(Strategy):
    name = "pull"
    Options = PullOptions

    def before_training(self, trainer, **kwargs):
        self._start = [one.detach().clone() for one in trainer.trainable]

    @torch.no_grad()
    def after_update(self, trainer, **kwargs):
        for one, start in zip(trainer.trainable, self._start, strict=True):
            one.lerp_(start, self.options.share)
        self.terms["pull_share"] = self.options.share
'''
TRAIN = """
import sys
from continual_cases import ToyBackbone, make_samples
from transferlab.config.pipeline import StrategySpec, TrainSection
from transferlab.continual.engine.learner import Learner

moved = {}
for name in ("naive", "pull", "my_pull:Pull"):
    options = {} if name == "naive" else {"share": 0.9}
    backbone = ToyBackbone()
    before = backbone.trainable_state()
    train = TrainSection(epochs=1, batch_samples=4, learning_rate=2e-3)
    learner = Learner(backbone, [StrategySpec(name=name, options=options)], train, seed=0)
    report = learner.train(make_samples("xray", 8), domain="xray", stage="s")
    after = backbone.trainable_state()
    moved[name] = sum(float((after[key] - before[key]).abs().sum()) for key in after)
    assert (report.terms.get("pull_share") == 0.9) == (name != "naive"), report.terms
print(moved["pull"] == moved["my_pull:Pull"] < 0.5 * moved["naive"])
"""


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    info = tmp_path / "my_pull-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-pull\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[transferlab.strategies]\npull = my_pull:Pull\n")
    (tmp_path / "my_pull.py").write_text(MODULE)
    paths = [str(tmp_path), str(ROOT), str(Path(__file__).parent)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


def command(*arguments: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_trains_by_name_and_by_dotted_path(environment):
    assert command("-c", TRAIN, environment=environment).strip() == "True"


def test_it_is_listed_shown_and_validated(environment, tmp_path):
    listed = command("-m", "transferlab", "strategies", "list", environment=environment)
    assert "pull" in listed
    shown = command("-m", "transferlab", "strategies", "show", "pull", environment=environment)
    assert "Of the distance" in shown
    file = tmp_path / "p.yaml"
    asked = ("-m", "transferlab", "validate", str(file))
    file.write_text("name: p\nstream: [chest-xray]\nstrategy:\n  - pull: {shar: 0.2}\n")
    with pytest.raises(AssertionError, match=r"strategy\.pull\.shar: unknown key; did you mean"):
        command(*asked, environment=environment)
    file.write_text("name: p\nstream: [chest-xray]\nstrategy: [pull, 'my_pull:Pull']\n")
    assert "sound" in command(*asked, environment=environment)
