"""Killed at any moment and started again, a run ends with the same numbers."""

import json
from pathlib import Path

import pytest

from transferlab.config.pipeline import PipelineConfig
from transferlab.config.yaml_sections import load_yaml
from transferlab.core.events import StageStarted, TrainStep, ignore
from transferlab.pipeline.run import run

SMOKE = Path(__file__).parents[2] / "pipelines" / "smoke.yaml"

pytestmark = pytest.mark.integration


class Killed(BaseException):
    """Stands for a signal: nothing catches it."""


@pytest.fixture
def config(tmp_path) -> PipelineConfig:
    overrides = [
        f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", f"tracking.artifacts={tmp_path}/artifacts",
        "arms=[zero_shot,scratch,single,joint]", "export=[]", "train.max_steps=3",
        "evaluation.max_test_samples=6", "train.checkpoint_steps=1",
    ]  # fmt: skip
    return load_yaml(SMOKE, PipelineConfig, overrides=overrides)


KILLED_AT = [
    (TrainStep, "sequential 2/2: lectures", 2),
    (StageStarted, "scoring: sequential 2", 0),
    (TrainStep, "scratch: lectures", 2),
    (StageStarted, "controls: lectures", 0),
    (TrainStep, "joint: all", 3),
]
KEPT_AT = {
    "sequential 2/2: lectures": ["sequential--2--lectures"],
    "scratch: lectures": ["scratch--lectures"],
    "joint: all": ["joint--all"],
}
"""What a killed training has written down half-way, by the stage that was killed."""


def test_killed_again_and_again_and_resumed_gives_the_same_numbers(config, tmp_path):
    straight = run(config, tmp_path / "straight", listener=ignore)
    for kind, stage, step in KILLED_AT:

        def kill(event, moment=(kind, stage, step)) -> None:
            stage = getattr(event, "stage", "")
            if (type(event), stage, getattr(event, "step", 0)) == moment:
                raise Killed

        with pytest.raises(Killed):
            run(config, tmp_path / "killed", listener=kill)
        assert not (tmp_path / "killed" / "result.json").exists()
        unfinished = list((tmp_path / "killed" / "stages").glob("*.unfinished"))
        assert [one.name.partition(".")[0] for one in unfinished] == KEPT_AT.get(stage, [])
    resumed = run(config, tmp_path / "killed", listener=ignore)
    for key in ("scores", "summary", "arms", "gains", "controls", "similarity", "data_quantity"):
        assert resumed[key] == straight[key], key
    json.dumps(resumed)


def test_controls_are_of_the_model_that_the_result_says(config, tmp_path):
    """They are measured on the single arm's model, and an arm can be added to a finished run."""
    few = config.model_copy(update={"arms": ["zero_shot"]})
    of_stream = run(few, tmp_path / "one", listener=ignore)["controls"]
    more = config.model_copy(update={"arms": ["zero_shot", "single"]})
    added = run(more, tmp_path / "one", listener=ignore)["controls"]
    assert added == run(more, tmp_path / "two", listener=ignore)["controls"]
    stages = tmp_path / "one" / "stages"
    for arm in ("sequential", "single"):
        assert (stages / f"controls--{arm}--lectures.json").is_file()
    assert {name: set(of_stream[name]) for name in of_stream} == {
        name: set(added[name]) for name in added
    }
