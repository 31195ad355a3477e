"""``pretrain`` from recipe to folder, and the curriculum that it follows."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from transferlab.config.pretrain import PretrainConfig, PretrainStage
from transferlab.config.yaml_sections import load_yaml
from transferlab.core.checkpoint import load_checkpoint
from transferlab.core.events import TrainStep
from transferlab.errors import InputError
from transferlab.tiny import fusion as fusion  # as the cards of such backbones say
from transferlab.tiny.architecture import ASSETS
from transferlab.tiny.closed_questions import ClosedQuestion, choose
from transferlab.tiny.curriculum import Curriculum, held_out, tokenizer_texts
from transferlab.tiny.language_stage import Conversations
from transferlab.tiny.pretraining import pretrain, pretrain_vision, score
from transferlab.worlds.scenes.records import SceneExchange
from transferlab.worlds.scenes.world import exchange

SHIPPED = Path(__file__).parents[3] / "pipelines" / "pretrain-tiny.yaml"


def tiny_config(**changes) -> PretrainConfig:
    given = {
        "name": "two-steps",
        "vocabulary": 700,
        "tokenizer_scenes": 12,
        "batch_samples": 4,
        "stages": [
            {"name": "first", "steps": 1, "kinds": {"single": 1}, "describe": 1},
            {"name": "second", "steps": 1, "kinds": {"grey": 1, "clip": 1}, "describe": 0},
        ],
        "held_out_samples": 1,
    }
    return PretrainConfig.model_validate(given | changes)


def curriculum(config: PretrainConfig) -> Curriculum:
    return Curriculum(
        stages=tuple(config.stages), batch_samples=config.batch_samples, seed=config.seed
    )


def test_the_folder_loads_and_the_scores_are_the_cards(tmp_path):
    events = []
    scores = pretrain(tiny_config(), tmp_path / "out", listener=events.append)
    out = tmp_path / "out"
    steps = [event for event in events if isinstance(event, TrainStep)]
    assert [step.stage for step in steps] == ["first", "second"]
    AutoModelForImageTextToText.from_pretrained(out)
    assert len(AutoProcessor.from_pretrained(out).tokenizer) == 700
    written = json.loads((out / "scores.json").read_text("utf-8"))
    assert written == {task: vars(one) for task, one in scores.items()}
    assert {"colour", "motion", "side"} <= set(written)
    for one in scores.values():
        assert one.samples == 1
        assert 0 <= one.text_only <= 1
        assert one.majority == 1
    card = (out / "README.md").read_text("utf-8")
    for task in scores:
        assert re.search(rf"^\| {task} \| 1 \|", card, re.MULTILINE), task
    assert "![Losses by step](curves.png)" in card
    assert (out / "curves.png").stat().st_size > 5000


def test_with_the_picture_of_another_question_a_model_that_looks_is_wrong(monkeypatch):
    """A stand-in reads the answer off the first pixel, and says the first choice when blind."""

    def reads(model, conversations, closed, *, batch_samples):
        return [
            one.choices[int(one.images[0][0, 0, 0])] if one.images else one.choices[0]
            for one in closed
        ]

    monkeypatch.setattr("transferlab.tiny.pretraining.choose", reads)
    asked = [
        SceneExchange(
            images=(np.full((2, 2, 3), at, np.uint8),),
            prompt="<image>\nWhich?",
            answer="abc"[at],
            choices=("a", "b", "c"),
            task="letter",
            group=str(at),
        )
        for at in range(3)
    ]
    found = score(None, None, None, {"letter": asked})["letter"]
    assert (found.pretrained, found.exchanged) == (1.0, 0.0)
    assert found.text_only == pytest.approx(1 / 3)


def test_a_kind_that_does_not_exist_is_named_before_anything_is_trained(tmp_path):
    stage = {"name": "only", "steps": 1, "kinds": {"singel": 1}, "describe": 1}
    with pytest.raises(InputError, match=r"stage 'only'.*'singel'.*Did you mean 'single'"):
        pretrain(tiny_config(stages=[stage]), tmp_path, listener=lambda event: None)
    assert list(tmp_path.iterdir()) == []


def test_the_vision_stage_comes_first_and_is_not_repeated(tmp_path, monkeypatch):
    monkeypatch.setattr("transferlab.tiny.curriculum.SPECIMENS", 500)
    one_task = {"colour": held_out(tiny_config())["colour"]}
    monkeypatch.setattr("transferlab.tiny.pretraining.held_out", lambda config: one_task)
    vision = {"steps": 2, "batch_samples": 4, "kinds": {"single": 1, "grey": 1}}
    stage = {"name": "only", "steps": 1, "kinds": {"single": 1}, "describe": 1}
    config = tiny_config(stages=[stage], vision=vision)
    for expected in (["vision", "vision", "only"], []):
        events = []
        pretrain(config, tmp_path, listener=events.append)
        assert [e.stage for e in events if isinstance(e, TrainStep)] == expected
    card = (tmp_path / "README.md").read_text("utf-8")
    assert "| vision tower alone | 2 | single 50%, grey 50% |" in card


def test_every_architecture_goes_on_from_one_vision_stage(tmp_path, monkeypatch):
    monkeypatch.setattr("transferlab.tiny.curriculum.SPECIMENS", 500)
    one_task = {"colour": held_out(tiny_config())["colour"]}
    monkeypatch.setattr("transferlab.tiny.pretraining.held_out", lambda config: one_task)
    vision = {"steps": 1, "batch_samples": 4, "kinds": {"single": 1}, "tower_slowdown": 1e-9}
    stage = {"name": "only", "steps": 1, "kinds": {"clip": 1}, "describe": 1}
    config = tiny_config(stages=[stage], vision=vision)
    made = pretrain_vision(config, tmp_path, listener=lambda event: None)
    looked = load_checkpoint(made)["model"]
    for architecture in ("cross_attention", "resampler"):
        out, events = tmp_path / architecture, []
        out.mkdir()
        shutil.copy(made, out)
        changed = config.model_copy(update={"architecture": architecture})
        pretrain(changed, out, listener=events.append)
        assert [e.stage for e in events if isinstance(e, TrainStep)] == ["only"]
        model = AutoModelForImageTextToText.from_pretrained(out)
        assert model.config.model_type == f"transferlab_{architecture}"
        for name, value in model.model.vision_tower.state_dict().items():
            torch.testing.assert_close(value, looked[f"tower.{name}"], atol=1e-6, rtol=0)
        card = (out / "README.md").read_text("utf-8")
        assert card.splitlines()[6] == "# two-steps"
        assert "`import transferlab.tiny.fusion`" in card


def test_without_a_vision_stage_there_is_none_to_make(tmp_path):
    with pytest.raises(InputError, match="'two-steps' has no vision stage to make; add"):
        pretrain_vision(tiny_config(), tmp_path / "out", listener=lambda event: None)
    assert not (tmp_path / "out").exists()


def test_clips_cannot_be_looked_at(tmp_path):
    vision = {"steps": 2, "kinds": {"clip": 1}}
    with pytest.raises(InputError, match="vision stage of 'two-steps': 'clip' has several"):
        pretrain(tiny_config(vision=vision), tmp_path, listener=lambda event: None)


def test_stages_follow_one_another():
    plan = curriculum(tiny_config())
    assert [plan.stage(step).name for step in range(2)] == ["first", "second"]


def test_a_step_is_the_same_each_time_and_unlike_the_next():
    plan = curriculum(tiny_config())
    one, again, other = plan(0), plan(0), plan(1)
    assert all(map(np.array_equal, one[0].images, again[0].images))
    assert [example.turns for example in one] == [example.turns for example in again]
    assert [example.turns for example in one] != [example.turns for example in other]


def test_a_step_has_clips_only_or_none():
    kinds = {"single": 1, "clip": 1}
    stage = {"name": "only", "steps": 1, "kinds": kinds, "describe": 0.5}
    plan = curriculum(tiny_config(stages=[stage]))
    widths = [{len(example.images) for example in plan(step)} for step in range(12)]
    assert all(len(width) == 1 for width in widths)
    assert {1} in widths
    assert {3} in widths


def test_no_question_is_asked_twice_in_a_conversation():
    stage = PretrainStage(name="q", steps=1, kinds={"objects": 1}, describe=0, questions=4)
    plan = Curriculum(stages=(stage,), batch_samples=16, seed=0)
    conversations = [example.turns for example in plan(0)]
    assert max(len(turns) for turns in conversations) == 4
    for turns in conversations:
        assert len({question for question, _ in turns}) == len(turns)


def test_held_out_questions_are_not_those_of_training():
    config = tiny_config(held_out_samples=3)
    asked = held_out(config)
    assert {len(of_task) for of_task in asked.values()} == {3}
    assert "describe" not in asked
    shown = {image.tobytes() for e in curriculum(config)(0) for image in e.images}
    assert not shown & {
        i.tobytes() for of_task in asked.values() for e in of_task for i in e.images
    }


def test_the_shipped_recipe_is_that_of_the_shipped_backbone():
    config = load_yaml(SHIPPED, PretrainConfig)
    tokenizer = AutoProcessor.from_pretrained(ASSETS).tokenizer
    assert len(tokenizer) == config.vocabulary
    text = next(tokenizer_texts(config))
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    card = (ASSETS / "README.md").read_text("utf-8")
    assert f"| vision tower alone | {config.vision.steps:,} |" in card
    for stage in config.stages:
        assert f"| {stage.name} | {stage.steps:,} |" in card


def test_the_shipped_backbone_sees():
    """The card's claim in one number: seven colours, told apart on scenes never trained on."""
    model = AutoModelForImageTextToText.from_pretrained(ASSETS)
    conversations = Conversations(AutoProcessor.from_pretrained(ASSETS))
    rng = np.random.default_rng(11)
    asked = [exchange(rng, kind="single", describe_share=0.0) for _ in range(150)]
    colours = [one for one in asked if one.task == "colour"]
    questions = [
        ClosedQuestion(images=one.images, text=one.prompt.split("\n")[1], choices=one.choices)
        for one in colours
    ]
    chosen = choose(model, conversations, questions, batch_samples=64)
    assert len(colours) >= 10
    right = sum(said == one.answer for said, one in zip(chosen, colours, strict=True))
    assert right / len(colours) > 0.9


@pytest.mark.parametrize("wanted", [True, False])
def test_the_vision_tower_is_compiled_where_the_recipe_says_so(monkeypatch, tmp_path, wanted):
    """Compiling takes a minute and a C++ compiler, so a stand-in notes what would be compiled."""

    class Stopped(Exception):
        pass

    compiled = []

    def stop(model, *_, **__):
        raise Stopped

    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **_: compiled.append(self))
    monkeypatch.setattr("transferlab.tiny.pretraining.train", stop)
    with pytest.raises(Stopped):
        pretrain(tiny_config(compile=wanted), tmp_path, listener=lambda event: None)
    assert [type(one).__name__ for one in compiled] == ["FocalNetModel"] * wanted


def test_words_are_repeated_in_a_last_turn_and_change_nothing_else():
    stage = {"name": "only", "steps": 1, "kinds": {"single": 1}, "describe": 1}
    plain = curriculum(tiny_config(stages=[stage]))(0)
    worded = curriculum(tiny_config(stages=[{**stage, "words": 1}]))(0)
    assert [len(one.turns) for one in plain] == [1] * 4
    assert [len(one.turns) for one in worded] == [2] * 4
    assert worded[0].turns[0] == plain[0].turns[0]
    for example in worded:
        asked, answered = example.turns[-1]
        assert asked == f"Repeat: {answered}"
