"""Killed at any moment and started again, a run ends with the same numbers."""

import json
from pathlib import Path

import pytest

from transferlab.config.load import load_yaml
from transferlab.config.pipeline import PipelineConfig
from transferlab.core.events import TrainStep, ignore
from transferlab.pipeline.run import run

SMOKE = Path(__file__).parents[2] / "pipelines" / "smoke.yaml"

pytestmark = pytest.mark.integration


class Killed(BaseException):
    """Stands for a signal: nothing catches it."""


@pytest.fixture
def config(tmp_path) -> PipelineConfig:
    overrides = [
        f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", f"tracking.artifacts={tmp_path}/artifacts",
        "arms=[zero_shot]", "export=[]", "evaluation.controls=false", "train.checkpoint_steps=1",
    ]  # fmt: skip
    return load_yaml(SMOKE, PipelineConfig, overrides=overrides)


def test_killed_in_the_second_step_and_resumed_gives_the_same_numbers(config, tmp_path):
    straight = run(config, tmp_path / "straight", listener=ignore)

    def kill(event) -> None:
        if isinstance(event, TrainStep) and "lectures" in event.stage and event.step == 2:
            raise Killed

    with pytest.raises(Killed):
        run(config, tmp_path / "killed", listener=kill)
    assert not (tmp_path / "killed" / "result.json").exists()
    unfinished = tmp_path / "killed" / "stages" / "sequential--2--lectures.unfinished"
    assert unfinished.exists()
    resumed = run(config, tmp_path / "killed", listener=ignore)
    assert resumed["scores"] == straight["scores"]
    assert resumed["summary"] == straight["summary"]
    assert not unfinished.exists()
    json.dumps(resumed)
