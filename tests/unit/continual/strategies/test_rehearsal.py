"""Strategies with a memory: what they keep, and what they do with it."""

from collections import Counter

import numpy as np
import pytest
import torch
from continual_cases import ToyBackbone, learner_with, make_samples, with_gradient
from torch import nn

from transferlab.continual.strategies.der import DER, DEROptions
from transferlab.continual.strategies.er_ace import ERACE, ERACEOptions
from transferlab.continual.strategies.gss import GSS, GSSOptions
from transferlab.continual.strategies.mir import MIR, MIROptions
from transferlab.core.events import StageStarted, TrainStep


def features(backbone, sample):
    """The mean hidden state at the sample's answer, as the toy computes it."""
    module, (batch, _) = backbone.module, backbone.collate([sample])
    seen = []
    handle = module.head.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    module(batch)
    handle.remove()
    return seen[0][batch.labels != -100].mean(dim=0).detach()


def kept_by(learner):
    return [name for name, _ in learner._strategies[0].remembered()]


def test_closest_to_centre_keeps_the_samples_nearest_to_their_mean(make_learner, xray):
    backbone = ToyBackbone()
    options = {"memory_samples": 5, "policy": "closest_to_centre"}
    learner = make_learner(backbone, replay=options)
    learner.train(xray, domain="xray", stage="one")
    found = torch.stack([features(backbone, sample) for sample in xray])
    order = (found - found.mean(dim=0)).square().sum(dim=1).argsort()[:5]
    assert set(kept_by(learner)) == {xray[i].id for i in order}


def test_herding_keeps_samples_whose_mean_is_that_of_the_domain(make_learner, xray):
    backbone, apart = ToyBackbone(), {}
    for policy in ("herding", "closest_to_centre"):
        learner = make_learner(backbone, replay={"memory_samples": 6, "policy": policy})
        learner.consolidate(xray, domain="xray")
        found = {sample.id: features(backbone, sample) for sample in xray}
        centre = torch.stack(list(found.values())).mean(dim=0)
        mean = torch.stack([found[name] for name in kept_by(learner)]).mean(dim=0)
        apart[policy] = float((mean - centre).norm())
    assert apart["herding"] < 0.7 * apart["closest_to_centre"]


def test_groups_get_the_same_share(make_learner, xray, lecture):
    options = {"memory_samples": 6, "policy": "random", "group_by": "class"}
    learner = make_learner(ToyBackbone(), replay=options)
    learner.train(xray, domain="xray", stage="one")
    answers = {sample.id: sample.answer for sample in xray}
    assert set(Counter(answers[name] for name in kept_by(learner)).values()) == {2}


@pytest.mark.parametrize(
    "options",
    [
        {"replay": {"never_keep": ["xray"]}},
        {"gss": {"never_keep": ["xray"]}},
        {"agem": {"never_keep": ["xray"]}},
        {"gem": {"never_keep": ["xray"]}},
        {"der": {"never_keep": ["xray"]}},
    ],
)
def test_of_a_domain_that_may_not_be_kept_nothing_is(make_learner, options, xray, lecture):
    learner = make_learner(ToyBackbone(), **options)
    learner.train(xray, domain="xray", stage="one")
    learner.train(lecture, domain="lecture", stage="two")
    text = str(learner.state_dict())
    assert "lecture-" in text
    assert "xray-" not in text


@pytest.mark.parametrize(
    ("options", "terms"),
    [
        ({"replay": {}}, {"replay_loss"}),
        ({"gss": {}}, {"gss_loss"}),
        ({"si": {}}, {"si_penalty"}),
        ({"mas": {}}, {"mas_penalty"}),
        ({"rwalk": {}}, {"rwalk_penalty"}),
        ({"l2": {}}, {"l2_penalty"}),
        ({"lwf": {}}, {"lwf_penalty"}),
        ({"feature_distillation": {}}, {"feature_distillation_penalty"}),
        ({"er_ace": {}}, {"er_ace_memory_loss", "er_ace_cosine"}),
        ({"der": {}}, {"der_logit_distance", "der_loss", "der_cosine"}),
        ({"mir": {}}, {"mir_loss", "mir_harm", "mir_cosine"}),
        ({"agem": {}}, {"agem_memory_loss", "agem_cosine"}),
        ({"gem": {}}, {"gem_memory_loss", "gem_cosine"}),
    ],
)
def test_every_step_of_a_later_domain_says_what_the_strategy_added(
    make_learner, options, terms, xray, lecture
):
    events = []
    learner = make_learner(ToyBackbone(), listener=events.append, **options)
    learner.train(xray, domain="xray", stage="one")
    steps = [event for event in events if isinstance(event, TrainStep)]
    assert {name for event in steps for name, _ in event.extra} == set()
    events.clear()
    learner.train(lecture, domain="lecture", stage="two")
    steps = [event for event in events if isinstance(event, TrainStep)]
    assert [set(dict(event.extra)) for event in steps] == [terms] * len(steps)
    assert all(np.isfinite(value) for event in steps for _, value in event.extra)


def test_er_ace_does_not_push_down_tokens_of_old_answers_only(xray, lecture):
    plugin = ERACE(ERACEOptions(memory_samples=12), seed=0)
    backbone = ToyBackbone()
    learner = learner_with(plugin, backbone)
    learner.train(xray, domain="xray", stage="one")
    trainer = learner._trainer
    batch, targets = backbone.collate([s for s in lecture if s.answer == "clear"])
    trainer.mbatch = [batch, targets, torch.ones(len(batch))]
    old = backbone.collate(xray)[1].unique()
    plugin._spared, plugin._active = old, True
    plugin.before_training_iteration(trainer)
    trainer.mb_output = backbone.module(batch).detach().requires_grad_(True)
    plugin.task_loss(trainer).backward()
    pushed = trainer.mb_output.grad.abs().sum(dim=0) > 0
    only_old = [int(token) for token in old if token not in targets]
    assert only_old
    assert not pushed[only_old].any()
    assert pushed[[t for t in range(len(pushed)) if t not in only_old]].all()


def test_er_ace_over_the_step_alone_is_avalanches_criterion(xray, lecture):
    from avalanche.training.regularization import ACECriterion

    plugin = ERACE(ERACEOptions(compared="batch", memory_batch_samples=5), seed=0)
    backbone = ToyBackbone(torch.float64)
    learner = learner_with(plugin, backbone)
    learner.train(xray, domain="xray", stage="one")
    trainer = learner._trainer
    batch, targets = backbone.collate(lecture[:4])
    plugin._active = True
    plugin.memory.start_sampling()
    memory = plugin.memory.draw(trainer, 5)
    plugin.memory.draw = lambda strategy, count: memory
    trainer.mbatch, trainer.mb_output = [batch, targets, None], backbone.module(batch)
    plugin.before_training_iteration(trainer)
    trainer.model.zero_grad()
    (plugin.task_weight(trainer) * plugin.task_loss(trainer)).backward()
    plugin.after_backward(trainer)
    got = [p.grad.clone() for p in trainer.trainable]
    stock = ACECriterion()(
        backbone.module(batch), targets, backbone.module(memory[0]), memory[0].targets()
    )
    expected = torch.autograd.grad(stock, trainer.trainable)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kept", [None, 5])
def test_der_pulls_the_logits_to_what_they_were(xray, lecture, kept):
    plugin = DER(DEROptions(logits_kept=kept, logit_weight=2.0, replay_weight=0.5), seed=0)
    backbone = ToyBackbone(torch.float64)
    learner = learner_with(plugin, backbone)
    learner.train(xray, domain="xray", stage="one")
    plugin.memory.start_sampling()
    trainer = learner._trainer
    batch = plugin.memory.draw(trainer, 6)[0]
    plugin.memory.draw = lambda strategy, count: [batch]
    before = backbone.module(batch).detach()
    trainer.model.zero_grad()
    plugin.after_backward(trainer)
    assert plugin.terms["der_logit_distance"] < 1e-12
    with torch.no_grad():
        trainer.trainable[0].add_(0.2)
    trainer.model.zero_grad()
    plugin.after_backward(trainer)
    got = [p.grad.clone() for p in trainer.trainable]
    logits = backbone.module(batch)
    size = kept or logits.shape[1]
    places = before.topk(size, dim=1).indices
    apart = (logits.gather(1, places) - before.gather(1, places)).square().mean()
    wrong = nn.functional.cross_entropy(logits, batch.targets())
    expected = torch.autograd.grad(2.0 * apart + 0.5 * wrong, trainer.trainable)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_mir_chooses_what_the_step_harms_most_and_undoes_the_trial(xray, lecture):
    options = MIROptions(candidate_samples=10, memory_batch_samples=3)
    plugin, backbone = MIR(options, seed=0), ToyBackbone(torch.float64)
    learner = learner_with(plugin, backbone, learning_rate=0.5)
    learner.train(xray, domain="xray", stage="one")
    trainer = learner._trainer
    start = backbone.trainable_state()
    with_gradient(learner, backbone.collate(lecture[:4])[0])
    batch = backbone.collate(xray[:10])[0]
    harm = plugin.harm(trainer, batch)
    assert all(torch.equal(v, start[n]) for n, v in backbone.trainable_state().items())

    def losses():
        return torch.stack(
            [nn.functional.cross_entropy(backbone.module(b), b.targets()) for b in batch]
        ).detach()

    before = losses()
    with torch.no_grad():
        for parameter in trainer.trainable:
            parameter.sub_(trainer.optimizer.param_groups[0]["lr"] * parameter.grad)
    torch.testing.assert_close(harm, losses() - before, rtol=1e-5, atol=1e-8)


def test_gss_makes_room_for_a_gradient_that_points_elsewhere():
    plugin = GSS(GSSOptions(memory_samples=4), seed=0)
    along, against = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 0.0])
    torch.manual_seed(0)
    kept = []
    for row in range(4):
        plugin._consider(kept, row, along, [along] if kept else [])
    for row in range(4, 24):
        plugin._consider(kept, row, along, [along])
    assert kept == [0, 1, 2, 3], "more of the same changes nothing"
    plugin._consider(kept, 99, against, [along])
    assert kept.count(99) == 1
    assert len(kept) == len(plugin._scores) == 4


def test_gdumb_trains_on_the_memory_alone_from_the_first_values(make_learner, xray, lecture):
    events, backbone = [], ToyBackbone()
    first = backbone.trainable_state()
    learner = make_learner(
        backbone, gdumb={"memory_samples": 6}, train={"epochs": 1}, listener=events.append
    )
    starts = []
    plugin = learner._strategies[0]
    plugin.before_training_epoch = lambda strategy, **kwargs: starts.append(
        backbone.trainable_state()
    )
    learner.train(xray, domain="xray", stage="one")
    report = learner.train(lecture, domain="lecture", stage="two")
    assert report.steps == 2
    assert [e.total_steps for e in events if isinstance(e, StageStarted)] == [2, 2]
    for start in starts:
        assert all(torch.equal(value, first[name]) for name, value in start.items())
    seen = {name.split("-")[0] for batch in backbone.batches[-2:] for name in batch}
    assert seen == {"xray", "lecture"}


def test_cumulative_sees_everything_so_far(make_learner, xray, lecture):
    events = []
    learner = make_learner(ToyBackbone(), "cumulative", train={"epochs": 1}, listener=events.append)
    assert learner.train(xray, domain="xray", stage="one").samples_seen == 23
    assert learner.train(lecture, domain="lecture", stage="two").samples_seen == 40
    third = make_samples("scenes", 8)
    assert learner.train(third, domain="scenes", stage="three").samples_seen == 48
    assert [e.total_steps for e in events if isinstance(e, StageStarted)] == [6, 10, 12]
