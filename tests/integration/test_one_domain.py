"""A stream of one domain without a strategy: stream, single and joint are one training."""

import json
from pathlib import Path

import pytest

from transferlab.config.pipeline import PipelineConfig
from transferlab.config.yaml_sections import load_yaml
from transferlab.pipeline import arms
from transferlab.pipeline.run import run

SMOKE = Path(__file__).parents[2] / "pipelines" / "smoke.yaml"

pytestmark = pytest.mark.integration


def finish(out: Path, **overrides: str) -> dict:
    given = {
        "tracking.uri": f"sqlite:///{out}.db", "tracking.artifacts": f"{out}-artifacts",
        "stream": "[lectures]", "source": "null", "strategy": "[naive]", "export": "[]",
        "arms": "[zero_shot,single,joint]", "train.max_steps": "3",
        "evaluation.max_test_samples": "8", "data.tasks": "{}",
    } | overrides  # fmt: skip
    config = load_yaml(
        SMOKE, PipelineConfig, overrides=[f"{key}={value}" for key, value in given.items()]
    )
    run(config, out, listener=lambda event: None)
    return json.loads((out / "result.json").read_text("utf-8"))


def test_it_is_trained_once_with_the_scores_that_each_would_have(tmp_path, monkeypatch):
    once = finish(tmp_path / "once")
    assert once["same_training"] == {"single": "sequential", "joint": "sequential"}
    assert [(one["arm"], one["domain"]) for one in once["cost"]] == [("sequential", "lectures")]
    with monkeypatch.context() as patch:
        patch.setattr(arms, "same_as_stream", lambda *_: False)
        each = finish(tmp_path / "each")
    assert each["same_training"] == {}
    assert len(each["cost"]) == 3
    assert {(one["arm"], one["over"]) for one in once["gains"]} == {
        ("single", "zero_shot"), ("sequential", "zero_shot"),
    }  # fmt: skip
    assert once["arms"] == each["arms"]
    assert once["scores"] == each["scores"]
    assert once["controls"] == each["controls"]
