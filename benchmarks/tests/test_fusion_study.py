"""benchmarks/fusion_study.py: the same budget for all, and sentences that the numbers decide."""

import json
from argparse import Namespace
from pathlib import Path

import pytest

from transferlab.config.pretrain import PretrainConfig
from transferlab.config.yaml_sections import load_yaml
from transferlab.core.checkpoint import save_checkpoint
from transferlab.errors import InputError
from transferlab.tracking.tracker import loggable

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "pipelines" / "pretrain-tiny.yaml"


@pytest.fixture(scope="module")
def study(import_benchmark):
    return import_benchmark("fusion_study")


def given(tmp_path, **changes) -> Namespace:
    usual = {
        "pipeline": ROOT / "pipelines" / "study-fusion.yaml",
        "recipe": RECIPE,
        "out": tmp_path,
        "steps": 100,
        "vision_steps": 7,
        "vision": None,
        "held_out": 5,
        "architectures": ["projector", "resampler"],
        "domains": None,
        "seeds": [0, 1],
        "jobs": 1,
        "overrides": [],
        "recipe_overrides": [],
    }
    return Namespace(**usual | changes)


def test_the_curriculum_is_shortened_with_every_stage_in_it(study):
    recipe = load_yaml(RECIPE, PretrainConfig)
    short = study.shortened(recipe, steps=recipe.total_steps // 10, vision_steps=9)
    assert short.vision.steps == 9
    for one, whole in zip(short.stages, recipe.stages, strict=True):
        assert one.steps == pytest.approx(whole.steps / 10, abs=1)
        assert one.model_copy(update={"steps": whole.steps}) == whole
    assert {one.steps for one in study.shortened(recipe, steps=1, vision_steps=1).stages} == {1}


def test_a_vision_checkpoint_from_elsewhere_says_how_long_it_was(study, tmp_path):
    save_checkpoint(tmp_path / "vision.pt", {"losses": [1.0, 0.5, 0.4]})
    work = study.Study(given(tmp_path, vision=tmp_path / "vision.pt"))
    assert work.recipe.vision.steps == 3
    assert work.vision() == tmp_path / "vision.pt"


def test_a_recipe_without_a_vision_stage_is_refused(study, tmp_path):
    with pytest.raises(InputError, match="no vision stage, which all are to share"):
        study.Study(given(tmp_path, recipe_overrides=["vision=null"]))


def test_what_is_there_is_read_unless_it_was_made_otherwise(study, tmp_path):
    work = study.Study(given(tmp_path))
    plan = study.Plan(architecture="resampler", domain="textbook-figures", seed=1)
    config = work.config(plan)
    assert (config.stream, config.seed) == (["textbook-figures"], 1)
    assert config.backbone.model.endswith("resampler")
    # The pipeline names tasks of the other domain too, and would be refused with them.
    assert work.pipeline.data.tasks.keys() == {"chest-xray-real", "textbook-figures"}
    assert config.data.tasks.keys() == {"textbook-figures"}
    path = work._place(plan) / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"pipeline": loggable(config)}), "utf-8")
    assert work._result(plan) is not None
    other = study.Study(given(tmp_path, overrides=["train.epochs=3"]))
    assert other._result(plan) is None


def test_the_numbers_are_those_of_the_result(study):
    def arm(value):
        tasks = {"closed": {"value": value + 0.1}, "free": {"value": value - 0.1}}
        return {"d": {"value": value, "tasks": tasks}}

    controls = {"majority": 0.5, "pixels": None, "no_image": 0.4}
    result = {
        "arms": {"zero_shot": arm(0.2), "scratch": arm(0.3), "sequential": arm(0.7)},
        "controls": {"d": {"closed": controls, "free": {"copied_answer": 0.1}}},
        "cost": [{"arm": "sequential", "seconds": 6.0, "steps": 12}, {"arm": "scratch"}],
    }
    found = study.found_in(result, "d")
    assert (found.zero_shot, found.scratch, found.tuned) == (0.2, 0.3, 0.7)
    assert (found.closed, found.step_seconds) == (pytest.approx(0.8), 0.5)
    assert found.controls == controls
    assert found.gain == pytest.approx(0.4)


def fake(study, tuned, scratch=0.5):
    return study.Adapted(
        zero_shot=0.1,
        scratch=scratch,
        tuned=tuned,
        closed=tuned,
        controls={"majority": 0.2, "pixels": 0.8, "no_image": None},
        step_seconds=0.25,
    )


def test_the_page_says_what_the_numbers_say(study, tmp_path):
    scores = {"projector": (0.9, 0.91, 0.92), "resampler": (0.4, 0.5, 0.9)}
    adapted = {
        study.Plan(architecture=name, domain="d", seed=seed): fake(study, value)
        for name, values in scores.items()
        for seed, value in enumerate(values)
    }
    scenes = {"exchanged": 0.3, "text_only": 0.3, "random_weights": 0.2, "majority": 0.2}
    pretrained = {
        name: study.Pretrained(
            parameters=3_000_000,
            fusing=70_000,
            step_seconds=seconds,
            scenes={"pretrained": right, **scenes},
        )
        for name, right, seconds in (("projector", 0.6, None), ("resampler", 0.7, 0.5))
    }
    work = study.Study(given(tmp_path))
    settings = {"recipe": work.recipe, "pipeline": work.pipeline, "seeds": [0, 1, 2]}
    text = study.page({**settings, "jobs": 1, "cores": 2}, pretrained, adapted)
    assert max(len(line) for line in text.splitlines() if line[:1] != "|") <= 100
    text = " ".join(text.split())  # sentences, however their lines are broken
    assert "best first: Q-Former (resampler) 0.700, projector (concatenation) 0.600." in text
    row = "| projector (concatenation) | 3,000,000 | 70,000 | 0.600 | 0.300 | 0.300 |"
    assert f"{row} 0.410 ± 0.025 | - / 0.25 |" in text
    assert "projector (concatenation) (0.410 ± 0.025): the interval lies above zero" in text
    assert "Q-Former (resampler) (0.100 ± 0.657): the interval holds zero" in text
    assert "best control, pixels, 0.110 ± 0.025; Q-Former (resampler)" in text
    assert "over Q-Former (resampler) 0.310 ± 0.634 (the interval holds zero)" in text
