"""A domain's training that is killed at any step and goes on as if it had not been."""

import pytest
import torch
from continual_cases import ToyBackbone

from transferlab.core.events import TrainStep
from transferlab.errors import InputError, TransferlabWarning

TRAIN = {"epochs": 3, "batch_samples": 6, "accumulation_steps": 2, "checkpoint_steps": 1}
STRATEGIES = {"replay": {"memory_samples": 4, "batch_ratio": 0.5}, "ema": {}, "si": {}}


class Killed(BaseException):
    """Stands for a signal: nothing catches it."""


def kill_at(step):
    def listener(event):
        if isinstance(event, TrainStep) and event.stage == "two" and event.step == step:
            raise Killed

    return listener


def second_domain(make_learner, past, new, *, file, listener=None, state=None, train=TRAIN):
    """What is left of a run that trains on one domain, and then on another with a file."""
    backbone = ToyBackbone(dropout=0.3)
    learner = make_learner(backbone, train=train, listener=listener, **STRATEGIES)
    if state is None:
        learner.train(past, domain="xray", stage="one")
    else:
        backbone.load_trainable_state(state[0])
        learner.load_state_dict(state[1], {sample.id: sample for sample in past})
    start = (backbone.trainable_state(), learner.state_dict())
    try:
        report = learner.train(new, domain="lecture", stage="two", step_checkpoint=file)
    except Killed:
        return start
    return report, backbone.trainable_state()


@pytest.mark.parametrize("step", [1, 3, 5, 9])
def test_a_killed_domain_goes_on_to_the_same_numbers(make_learner, xray, lecture, tmp_path, step):
    straight, end = second_domain(make_learner, xray, lecture, file=None)
    assert straight.steps == 9
    file = tmp_path / "two.unfinished"
    start = second_domain(make_learner, xray, lecture, file=file, listener=kill_at(step))
    assert file.exists() == (step > 1)
    told = []
    resumed, same = second_domain(
        make_learner, xray, lecture, file=file, state=start, listener=told.append
    )
    steps = [event.step for event in told if isinstance(event, TrainStep)]
    assert steps == list(range(step, 10))
    assert resumed.losses == straight.losses
    assert (resumed.samples_seen, resumed.train_tokens) == (
        straight.samples_seen,
        straight.train_tokens,
    )
    assert all(torch.equal(end[name], same[name]) for name in end)


def test_no_prompt_and_no_answer_is_written(make_learner, xray, lecture, tmp_path):
    file = tmp_path / "two.unfinished"
    second_domain(make_learner, xray, lecture, file=file)
    written = file.read_bytes()
    for sample in (*xray, *lecture):
        assert sample.prompt.encode() not in written
    assert b"fluid level" not in written


def test_without_checkpoint_steps_nothing_is_written(make_learner, xray, lecture, tmp_path):
    file = tmp_path / "two.unfinished"
    train = {**TRAIN, "checkpoint_steps": None}
    second_domain(make_learner, xray, lecture, file=file, train=train)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_fit_is_refused(make_learner, xray, lecture, tmp_path):
    file = tmp_path / "two.unfinished"
    second_domain(make_learner, xray, lecture, file=file)
    with pytest.raises(InputError, match=r"about domain 'lecture', step 1.* remove it to begin"):
        second_domain(make_learner, lecture, xray[:12], file=file)


@pytest.mark.parametrize("damage", ["flip", "cut", "zero", "empty"])
def test_a_damaged_file_is_set_aside_and_the_domain_begun_anew(
    make_learner, xray, lecture, tmp_path, damage
):
    file = tmp_path / "two.unfinished"
    straight, end = second_domain(make_learner, xray, lecture, file=file)
    content = file.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 64
    made = {"flip": bytes(flipped), "cut": content[:500], "zero": bytes(900), "empty": b""}
    file.write_bytes(made[damage])
    with pytest.warns(TransferlabWarning, match=r"two\.unfinished: is damaged"):
        again, same = second_domain(make_learner, xray, lecture, file=file)
    assert again.losses == straight.losses
    assert all(torch.equal(end[name], same[name]) for name in end)
    assert (tmp_path / "two.unfinished.damaged").exists()


def test_a_plugin_that_keeps_what_it_cannot_say_does_not_go_on(make_learner, xray, tmp_path):
    plugin = {"path": "avalanche.training.plugins.EWCPlugin", "arguments": {"ewc_lambda": 1.0}}
    file = tmp_path / "one.unfinished"
    for again in (False, True):
        learner = make_learner(ToyBackbone(), train=TRAIN, plugin=plugin)
        if not again:
            learner.train(xray, domain="xray", stage="one", step_checkpoint=file)
            continue
        with pytest.raises(InputError, match="EWCPlugin cannot say what it keeps"):
            learner.train(xray, domain="xray", stage="one", step_checkpoint=file)
