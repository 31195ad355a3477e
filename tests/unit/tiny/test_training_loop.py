"""The pretraining loop: it learns from answers alone, and a killed run ends as an unbroken one."""

import numpy as np
import pytest
import torch
from transformers import AutoProcessor

from transferlab.core.checkpoint import save_checkpoint
from transferlab.core.events import ignore
from transferlab.errors import ModelError
from transferlab.tiny.architecture import ASSETS, model_for
from transferlab.tiny.closed_questions import ClosedQuestion, choose
from transferlab.tiny.language_stage import Conversations, Example, supervised_logits, train
from transferlab.tiny.training_loop import Recipe

COLOURS = {"red": 0, "green": 1, "blue": 2}
STEPS = 9


class Killed(Exception):
    """Stands for whatever ends a process."""


def colour_examples(step: int) -> list[Example]:
    rng = np.random.default_rng([9, step])
    return [
        Example(images=(plain(colour),), turns=(("What colour is it?", colour),))
        for colour in rng.choice(list(COLOURS), size=3)
    ]


def plain(colour: str) -> np.ndarray:
    image = np.zeros((112, 112, 3), dtype=np.uint8)
    image[:, :, COLOURS[colour]] = 255
    return image


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(ASSETS)


def recipe(**changes) -> Recipe:
    return Recipe(
        **{
            "total_steps": STEPS,
            "learning_rate": 2e-3,
            "warmup_steps": 2,
            "decay_fraction": 0.25,
            "weight_decay": 0.01,
            "max_grad_norm": 1.0,
            "checkpoint_steps": 3,
        }
        | changes
    )


def run(processor, folder, *, listener=ignore, tower_slowdown=1.0, **changes):
    model = model_for(processor.tokenizer, seed=0)
    trained = train(
        model,
        processor,
        colour_examples,
        recipe=recipe(**changes),
        tower_slowdown=tower_slowdown,
        checkpoint=folder / "checkpoint.pt",
        stage=lambda step: "colours",
        listener=listener,
    )
    model.losses = trained.losses
    return model


@pytest.mark.parametrize(
    "how",
    [{}, {"optimizer": "muon"}, {"optimizer": "muon", "precision": "bfloat16"}],
    ids=["adamw", "muon", "muon in bfloat16"],
)
def test_it_learns_and_a_killed_run_ends_the_same(processor, tmp_path, how):
    events = []
    (tmp_path / "straight").mkdir()
    (tmp_path / "killed").mkdir()
    straight = run(processor, tmp_path / "straight", listener=events.append, **how)
    losses = [event.loss for event in events]
    assert [event.step for event in events] == list(range(1, STEPS + 1))
    assert losses[-1] < losses[0] / 2
    assert events[0].learning_rate < events[3].learning_rate > events[-1].learning_rate

    def kill(event):
        if event.step == 5:
            raise Killed

    with pytest.raises(Killed):
        run(processor, tmp_path / "killed", listener=kill, **how)
    resumed_events = []
    resumed = run(processor, tmp_path / "killed", listener=resumed_events.append, **how)
    assert resumed_events[0].step == 4
    assert resumed.losses == straight.losses == tuple(losses)
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_precision_and_optimizer_change_what_is_computed_but_weights_stay_float32(
    processor, tmp_path
):
    made = {}
    for name, how in {
        "plain": {},
        "coarse": {"precision": "bfloat16"},
        "turned": {"optimizer": "muon"},
    }.items():
        (tmp_path / name).mkdir()
        made[name] = run(processor, tmp_path / name, total_steps=1, **how)
        assert {value.dtype for value in made[name].parameters()} == {torch.float32}
    assert made["plain"].losses == made["turned"].losses  # the first loss is before any step
    assert made["plain"].losses != made["coarse"].losses
    assert made["plain"].losses == pytest.approx(made["coarse"].losses, rel=0.02)
    weight = "model.language_model.layers.0.mlp.up_proj.weight"
    plain, turned = (made[name].state_dict()[weight] for name in ("plain", "turned"))
    assert not torch.allclose(plain, turned)
    embedding = "model.language_model.embed_tokens.weight"
    plain, turned = (made[name].state_dict()[embedding] for name in ("plain", "turned"))
    assert torch.equal(plain, turned)


def test_a_slower_tower_moves_less_and_the_rest_does_not_wait_for_it(processor, tmp_path):
    before = model_for(processor.tokenizer, seed=0)
    (tmp_path / "alike").mkdir()
    (tmp_path / "slow").mkdir()
    alike = run(processor, tmp_path / "alike", total_steps=1)
    slow = run(processor, tmp_path / "slow", total_steps=1, tower_slowdown=0.1)

    def moved(model, part):
        now, then = model.get_submodule(part), before.get_submodule(part)
        pairs = zip(now.parameters(), then.parameters(), strict=True)
        return sum((a - b).abs().sum().item() for a, b in pairs)

    tower, language = "model.vision_tower", "model.language_model"
    assert moved(slow, tower) == pytest.approx(0.1 * moved(alike, tower), rel=0.02)
    assert moved(slow, language) == pytest.approx(moved(alike, language), rel=0.02)


def test_a_finished_checkpoint_is_not_trained_again(processor, tmp_path):
    events = []
    run(processor, tmp_path, total_steps=2)
    run(processor, tmp_path, total_steps=2, listener=events.append)
    assert events == []


def test_a_checkpoint_of_another_backbone_is_refused(processor, tmp_path):
    save_checkpoint(tmp_path / "checkpoint.pt", {"model": {}, "optimizer": {}, "steps": 1})
    with pytest.raises(ModelError, match="of another backbone"):
        run(processor, tmp_path)


def test_a_broken_checkpoint_is_named(processor, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ModelError, match=r"checkpoint\.pt"):
        run(processor, tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run(processor, tmp_path):
    with pytest.raises(ModelError, match="not finite"):
        run(processor, tmp_path, learning_rate=1e30, warmup_steps=0, total_steps=6)


def test_logits_are_those_of_the_whole_forward_pass(processor):
    model = model_for(processor.tokenizer, seed=0).eval()
    batch = Conversations(processor).collate(colour_examples(0))
    with torch.no_grad():
        here = supervised_logits(model, batch)
        whole = model(**{name: value for name, value in batch.items() if name != "labels"}).logits
    torch.testing.assert_close(here, whole[batch["labels"] != -100], rtol=1e-4, atol=1e-4)


def test_the_likeliest_choice_is_chosen_whatever_the_batch(processor):
    """Against one forward pass per choice."""
    model = model_for(processor.tokenizer, seed=0).eval()
    conversations = Conversations(processor)
    questions = [
        ClosedQuestion(images=images, text="What colour is it?", choices=tuple(COLOURS))
        for images in ((plain("red"),), (), (plain("green"), plain("blue")), (plain("blue"),))
    ]
    expected = []
    for question in questions:
        losses = {}
        for choice in question.choices:
            example = Example(images=question.images, turns=((question.text, choice),))
            batch = conversations.collate([example])
            with torch.no_grad():
                logits = supervised_logits(model, batch)
            targets = batch["labels"][batch["labels"] != -100]
            losses[choice] = float(
                torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
            )
        expected.append(min(losses, key=losses.get))
    for size in (1, 100):
        assert choose(model, conversations, questions, batch_samples=size) == expected
