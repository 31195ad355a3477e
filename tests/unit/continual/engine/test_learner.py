"""One domain after another: what is reported, told, remembered and resumed."""

import io
import random

import numpy as np
import pytest
import torch
from continual_cases import ToyBackbone, make_samples
from torch import nn

from transferlab.core.events import StageFinished, StageStarted, TrainStep
from transferlab.errors import DataError, InputError, ModelError

FLAT = {"schedule": "constant", "warmup_fraction": 0}
COMBINATIONS = [
    {},
    {"ewc": {"strength": 5.0}},
    {"ewc": {"strength": 5.0, "mode": "separate", "fisher": "batch"}},
    {"ewc": {"labels": "model", "fisher_samples": 6, "decay": 0.5}},
    {"ewc": {"strength": "auto", "units": 2.0}},
    {"si": {"strength": 0.5}},
    {"si": {"strength": 50.0, "variant": "avalanche"}},
    {"mas": {}},
    {"mas": {"variant": "avalanche"}},
    {"rwalk": {"strength": 0.5, "score_every_steps": 3}},
    {"l2": {"anchor": "start"}},
    {"l2": {}},
    {"lwf": {"strength": 2.0}},
    {"lwf": {"tokens": "answered"}},
    {"feature_distillation": {"distance": "cosine"}},
    {"er_ace": {"memory_samples": 8, "memory_batch_samples": 3}},
    {"er_ace": {"compared": "batch"}},
    {"der": {"memory_samples": 6, "logits_kept": 5}},
    {"mir": {"memory_samples": 8, "candidate_samples": 6, "memory_batch_samples": 2}},
    {"gss": {"memory_samples": 5, "compared_samples": 3}},
    {"agem": {"samples_per_domain": 5, "memory_batch_samples": 4}},
    {"gem": {"samples_per_domain": 5, "memory_batch_samples": 3}},
    {"gdumb": {"memory_samples": 9}},
    {"cumulative": {}, "from_scratch": {}},
    {"replay": {"memory_samples": 6, "policy": "reservoir"}},
    {"replay": {"memory_samples": 6, "policy": "herding"}},
    {"replay": {"memory_samples": 6, "policy": "closest_to_centre", "group_by": "class"}},
    {"replay": {"memory_samples": 6, "policy": "random", "group_by": "nothing"}},
    {"replay": {"memory_samples": 7, "policy": "experience_balanced"}},
    {"replay": {"memory_samples": 4, "policy": "class_balanced"}},
    {"ewc": {"strength": 5.0}, "replay": {"memory_samples": 6}},
]


def train_both(learner, xray, lecture):
    return [
        learner.train(xray, domain="xray", stage="one").losses,
        learner.train(lecture, domain="lecture", stage="two").losses,
    ]


def test_the_losses_are_those_of_a_plain_pytorch_loop(make_learner, xray):
    section = {**FLAT, "weight_decay": 0.1}
    trained, bare = ToyBackbone(), ToyBackbone()
    report = make_learner(trained, train=section).train(xray, domain="xray", stage="one")
    by_id = {sample.id: sample for sample in xray}
    parameters = [p for _, p in bare.module.named_parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.1)
    losses = []
    for names in trained.batches:
        batch, targets = bare.collate([by_id[name] for name in names])
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(bare.module(batch), targets)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.item())
    assert report.losses == pytest.approx(losses, rel=1e-5)
    for name, value in bare.trainable_state().items():
        torch.testing.assert_close(trained.trainable_state()[name], value, rtol=1e-4, atol=1e-6)


def test_training_learns(make_learner, xray):
    learner = make_learner(ToyBackbone(), train={"epochs": 30, "learning_rate": 0.03})
    losses = learner.train(xray, domain="xray", stage="one").losses
    assert np.mean(losses[-6:]) < 0.5 * np.mean(losses[:6])


def test_the_report_counts_samples_steps_and_tokens(make_learner, xray):
    report = make_learner(ToyBackbone()).train(xray, domain="xray", stage="one")
    assert (report.domain, report.train_samples) == ("xray", 23)
    assert report.steps == len(report.losses) == 12
    assert report.samples_seen == 46
    assert report.train_tokens == sum(len(sample.answer.split()) + 1 for sample in xray)
    assert report.samples_per_second * report.seconds > report.samples_seen
    assert report.peak_memory_bytes > 50 * 2**20
    assert report.strategy_bytes == 0
    assert 0 < report.strategy_seconds < report.seconds


def test_samples_that_no_step_reached_do_not_count_as_data(make_learner, xray):
    learner = make_learner(ToyBackbone(), train={"max_steps": 2, "batch_samples": 4})
    report = learner.train(xray, domain="xray", stage="one")
    assert (report.samples_seen, report.train_samples) == (8, 8)
    assert 8 <= report.train_tokens < sum(len(sample.answer.split()) + 1 for sample in xray)


def test_each_domain_scales_its_float16_losses_afresh(make_learner, xray, lecture):
    learner = make_learner(ToyBackbone())
    learner.train(xray, domain="xray", stage="one")
    first = learner._trainer.scaler
    learner.train(lecture, domain="lecture", stage="two")
    assert learner._trainer.scaler is not first


def test_events_frame_every_step(make_learner, xray):
    events = []
    learner = make_learner(ToyBackbone(), "ewc", listener=events.append)
    learner.consolidate(make_samples("scenes", 6), domain="scenes")
    events.clear()
    report = learner.train(xray, domain="xray", stage="xray, first")
    assert events[0] == StageStarted(stage="xray, first", total_steps=12)
    assert [type(event) for event in events[1:-1]] == [TrainStep] * 12
    assert [event.step for event in events[1:-1]] == list(range(1, 13))
    assert tuple(event.loss for event in events[1:-1]) == report.losses
    penalties = [event.extra[0][1] for event in events[1:-1]]
    assert report.terms == {"ewc_penalty": pytest.approx(sum(penalties) / 12)}
    assert all(event.memory_bytes > 50 * 2**20 for event in events[1:-1])
    assert [dict(event.extra).keys() for event in events[1:-1]] == [{"ewc_penalty"}] * 12
    assert events[1].extra[0][1] == 0.0 < events[-2].extra[0][1]
    assert isinstance(events[-1], StageFinished)
    assert events[-1].stage == "xray, first"


def test_consolidating_trains_nothing_and_lets_strategies_anchor(make_learner, xray):
    backbone = ToyBackbone(dropout=0.5)
    before = backbone.trainable_state()
    learner = make_learner(backbone, "ewc", "replay")
    learner.consolidate(xray, domain="scenes")
    assert all(
        torch.equal(value, before[name]) for name, value in backbone.trainable_state().items()
    )
    assert not backbone.module.training
    ewc, replay = learner._strategies
    assert ewc.state_bytes() == 8 * backbone.trainable_parameters
    assert len(replay.remembered()) == len(xray)


@pytest.mark.parametrize("options", COMBINATIONS)
def test_the_same_seed_gives_the_same_losses_whatever_ran_before(
    make_learner, options, xray, lecture
):
    first = train_both(make_learner(ToyBackbone(dropout=0.3), **options), xray, lecture)
    torch.manual_seed(99), np.random.seed(99), random.seed(99)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    second = train_both(make_learner(ToyBackbone(dropout=0.3), **options), xray, lecture)
    assert second == first
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]
    assert random.getstate() == states[2]
    other = train_both(make_learner(ToyBackbone(dropout=0.3), seed=1, **options), xray, lecture)
    assert other != first


@pytest.mark.parametrize("options", COMBINATIONS)
def test_a_resumed_run_equals_one_that_never_stopped(make_learner, options, xray, lecture):
    scenes = make_samples("scenes", 8)
    straight = make_learner(ToyBackbone(dropout=0.3), **options)
    straight.consolidate(scenes, domain="scenes")
    _, expected = train_both(straight, xray, lecture)

    backbone = ToyBackbone(dropout=0.3)
    stopped = make_learner(backbone, **options)
    stopped.consolidate(scenes, domain="scenes")
    stopped.train(xray, domain="xray", stage="one")
    file = io.BytesIO()
    torch.save({"backbone": backbone.trainable_state(), "learner": stopped.state_dict()}, file)

    file.seek(0)
    state = torch.load(file, weights_only=True)
    backbone = ToyBackbone(dropout=0.3)
    backbone.load_trainable_state(state["backbone"])
    resumed = make_learner(backbone, **options)
    resumed.load_state_dict(state["learner"], {s.id: s for s in (*scenes, *xray)})
    assert resumed.train(lecture, domain="lecture", stage="two").losses == expected
    final = resumed.train(xray, domain="xray", stage="three").losses
    assert final == straight.train(xray, domain="xray", stage="three").losses
    # Compared before the assertion: a diff of two such long texts would take minutes.
    same = str(resumed.state_dict()) == str(straight.state_dict())
    assert same


def test_a_checkpoint_of_other_strategies_is_refused(make_learner, xray):
    learner = make_learner(ToyBackbone(), "ewc")
    with pytest.raises(InputError, match=r"strategies ewc\).*strategies replay\)"):
        make_learner(ToyBackbone(), "replay").load_state_dict(learner.state_dict())


def test_a_checkpoint_whose_samples_are_gone_is_refused(make_learner, xray):
    learner = make_learner(ToyBackbone(), "replay")
    learner.train(xray, domain="xray", stage="one")
    with pytest.raises(DataError, match=r"20 remembered samples.*'xray-"):
        make_learner(ToyBackbone(), "replay").load_state_dict(
            learner.state_dict(), {sample.id: sample for sample in xray[:3]}
        )


def test_a_checkpoint_of_another_adapter_is_refused(make_learner, xray):
    learner = make_learner(ToyBackbone(), "ewc")
    learner.train(xray, domain="xray", stage="one")
    wider = ToyBackbone()
    wider.module.up = nn.Linear(4, 13, bias=False)
    other = make_learner(wider, "ewc")
    other.load_state_dict(learner.state_dict())
    with pytest.raises(ModelError, match="96 trainable parameters and the adapter has 100"):
        other.train(xray, domain="xray", stage="one")


def test_a_domain_without_samples_is_refused(make_learner):
    with pytest.raises(DataError, match="'xray' has no training samples"):
        make_learner(ToyBackbone()).train([], domain="xray", stage="one")


def test_a_backbone_without_trainable_parameters_is_refused(make_learner):
    backbone = ToyBackbone()
    backbone.trainable_parameters = 0
    with pytest.raises(ModelError, match="'toy' has no trainable parameters"):
        make_learner(backbone)


def test_settings_of_a_domain_stand_above_the_general_ones(make_learner, xray, lecture):
    events = []
    own = {"epochs": 1, "learning_rate": 0.5, "max_steps": 3}
    section = {**FLAT, "per_domain": {"xray": own}}
    learner = make_learner(ToyBackbone(), train=section, listener=events.append)
    assert learner.train(xray, domain="xray", stage="one").steps == 3
    assert {event.learning_rate for event in events if isinstance(event, TrainStep)} == {0.5}
    assert learner.train(lecture, domain="lecture", stage="two").steps == 10
    assert events[-2].learning_rate == 2e-3


def test_a_given_learning_rate_stands_above_all_others(make_learner, xray):
    events = []
    section = {**FLAT, "per_domain": {"xray": {"learning_rate": 0.5}}}
    learner = make_learner(ToyBackbone(), train=section, listener=events.append, learning_rate=0.25)
    learner.train(xray, domain="xray", stage="one")
    assert events[-2].learning_rate == 0.25


def test_training_stops_at_max_steps_without_decoding_another_batch(make_learner, xray):
    backbone = ToyBackbone()
    report = make_learner(backbone, train={"epochs": 5, "max_steps": 8}).train(
        xray, domain="xray", stage="one"
    )
    assert report.steps == len(backbone.batches) == 8
