"""Strategies for adapters: shared-out ranks, averages, merging, the model's own answers."""

import pytest
import torch
from continual_cases import A, B, LoRABackbone, ToyBackbone, learner_with, make_samples

from transferlab.continual.options.memory import MemoryOptions
from transferlab.continual.strategies.ema import EMA, EMAOptions
from transferlab.continual.strategies.interpolate import Interpolate, InterpolateOptions
from transferlab.continual.strategies.merge import Merge, MergeOptions
from transferlab.continual.strategies.o_lora import OLoRA, OLoRAOptions
from transferlab.continual.strategies.self_distillation import (
    SelfDistillation,
    SelfDistillationOptions,
)
from transferlab.core.events import TrainStep, Warned
from transferlab.core.records import Prediction
from transferlab.errors import DataError, ModelError

SECTION = {"epochs": 3, "schedule": "constant", "warmup_fraction": 0, "learning_rate": 5e-3}


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_each_domain_trains_ranks_of_its_own(weight_decay, xray, lecture):
    backbone, plugin = LoRABackbone(), OLoRA(OLoRAOptions(rank_per_domain=2), seed=0)
    learner = learner_with(plugin, backbone, weight_decay=weight_decay, **SECTION)
    learner.consolidate(make_samples("scenes", 5), domain="scenes")
    states = [backbone.trainable_state()]
    for name, samples in (("x", xray), ("l", lecture)):
        learner.train(samples, domain=name, stage=name)
        states.append(backbone.trainable_state())
    first, second = (
        {name: states[i + 1][name] != states[i][name] for name in (A, B)} for i in range(2)
    )
    assert first[A][:2].any(dim=1).all()
    assert first[B][:, :2].any(dim=0).all()
    assert not first[A][2:].any()
    assert not first[B][:, 2:].any()
    assert second[A][2:].any(dim=1).all()
    assert second[B][:, 2:].any(dim=0).all()
    assert not second[A][:2].any()
    assert not second[B][:, :2].any()


def test_new_directions_are_pushed_across_those_of_past_domains(xray, lecture):
    overlap = {}
    for strength in (1e-9, 50.0):
        backbone = LoRABackbone()
        plugin = OLoRA(OLoRAOptions(rank_per_domain=2, strength=strength), seed=0)
        learner = learner_with(plugin, backbone, **{**SECTION, "epochs": 20})
        learner.train(xray, domain="x", stage="x")
        learner.train(lecture, domain="l", stage="l")
        down = backbone.trainable_state()[A]
        overlap[strength] = float((down[2:] @ down[:2].T).square().sum())
    assert overlap[50.0] < 0.01 * overlap[1e-9]


def test_the_penalty_has_the_gradient_of_its_formula(xray, lecture):
    backbone, plugin = LoRABackbone(), OLoRA(OLoRAOptions(rank_per_domain=2), seed=0)
    learner = learner_with(plugin, backbone)
    learner.train(xray, domain="x", stage="x")
    plugin._mine = slice(2, 4)
    down = dict(backbone.module.named_parameters())[A]
    backbone.module.zero_grad()
    plugin.after_backward(learner._trainer)
    penalty = 0.5 * (down[2:] @ down[:2].detach().T).square().sum()
    (expected,) = torch.autograd.grad(penalty, down)
    torch.testing.assert_close(down.grad, expected)
    assert plugin.terms["o_lora_penalty"] == pytest.approx(penalty.item())


def test_ranks_that_are_used_up_and_other_parameters_are_refused(xray, lecture):
    learner = learner_with(OLoRA(OLoRAOptions(rank_per_domain=3), seed=0), LoRABackbone())
    learner.train(xray, domain="x", stage="x")
    with pytest.raises(ModelError, match=r"'l' needs ranks up to 6 and the adapter has 4"):
        learner.train(lecture, domain="l", stage="l")
    learner = learner_with(OLoRA(OLoRAOptions(rank_per_domain=1), seed=0), ToyBackbone())
    with pytest.raises(ModelError, match=r"LoRA matrices only, and 'down.weight' is trained"):
        learner.train(xray, domain="x", stage="x")


def test_the_moving_average_takes_the_place_of_the_parameters(xray):
    backbone, plugin = ToyBackbone(torch.float64), EMA(EMAOptions(decay=0.5), seed=0)
    average = [p.detach().clone() for p in backbone.module.parameters()]
    kept = plugin.after_update

    def watch(strategy, **kwargs):
        decay = min(0.5, (1 + strategy.recorder.steps) / (10 + strategy.recorder.steps))
        for one, parameter in zip(average, strategy.trainable, strict=True):
            one.mul_(decay).add_(parameter.detach(), alpha=1 - decay)
        kept(strategy, **kwargs)

    plugin.after_update = watch
    learner_with(plugin, backbone, **SECTION).train(xray, domain="x", stage="x")
    for one, parameter in zip(average, backbone.module.parameters(), strict=True):
        torch.testing.assert_close(parameter.detach(), one)


def test_interpolation_goes_back_part_of_the_way(xray):
    ends = {}
    for share in (None, 0.25):
        backbone = ToyBackbone(torch.float64)
        start = backbone.trainable_state()
        plugin = EMA(EMAOptions(decay=1e-9), seed=0)
        if share:
            plugin = Interpolate(InterpolateOptions(new_share=share), seed=0)
        learner_with(plugin, backbone, **SECTION).train(xray, domain="x", stage="x")
        ends[share] = backbone.trainable_state()
    for name, value in ends[0.25].items():
        way = ends[None][name] - start[name]
        torch.testing.assert_close(value, start[name] + 0.25 * way, rtol=1e-6, atol=1e-9)


class MergingBackbone(ToyBackbone):
    """Adds up by weight, as peft's linear merge does, and writes down what it was asked."""

    def merge(self, tensors, *, method, weights, density):
        self.asked = (len(tensors), len(tensors[0]), method, tuple(weights), density)
        return [sum(w * one for w, one in zip(weights, ones, strict=True)) for ones in tensors]


def test_merging_puts_together_what_each_domain_learned_from_the_start(xray, lecture):
    backbone, plugin = MergingBackbone(torch.float64), Merge(MergeOptions(method="linear"), seed=0)
    start = backbone.trainable_state()
    alone = []
    for name, samples in (("x", xray), ("l", lecture)):
        single = ToyBackbone(torch.float64)
        learner = learner_with(EMA(EMAOptions(decay=1e-9), seed=0), single, **SECTION)
        if name == "l":  # the second domain draws its order from the second experience's seed
            learner._trainer.clock.train_exp_counter = 1
        learner.train(samples, domain=name, stage=name)
        alone.append(single.trainable_state())
    learner = learner_with(plugin, backbone, **SECTION)
    learner.train(xray, domain="x", stage="x")
    learner.train(lecture, domain="l", stage="l")
    assert backbone.asked == (2, 2, "linear", (0.5, 0.5), 0.5)
    for name, value in backbone.trainable_state().items():
        mean = 0.5 * (alone[0][name] + alone[1][name])
        torch.testing.assert_close(value, mean, rtol=1e-5, atol=1e-6)
        assert not torch.allclose(value, start[name], atol=1e-3)


class AnsweringBackbone(ToyBackbone):
    """Says "clear" to every prompt, and nothing to one of them."""

    def generate(self, samples, *, batch_samples, max_new_tokens):
        self.asked = [sample.id for sample in samples]
        said = ["" if n == 0 else "clear" for n in range(len(samples))]
        return [Prediction(sample=s, text=t) for s, t in zip(samples, said, strict=True)]


class TalkativeBackbone(AnsweringBackbone):
    """Whose own answers are longer than what it can be trained on, but for two."""

    max_length_tokens = 64

    def generate(self, samples, *, batch_samples, max_new_tokens):
        said = ["clear" if n < 2 else "on and on" for n in range(len(samples))]
        return [Prediction(sample=s, text=t) for s, t in zip(samples, said, strict=True)]

    def length_tokens(self, sample):
        if sample.answer == "clear":
            return 8
        raise DataError("longer than backbone.max_length_tokens")


def test_answers_of_its_own_that_are_too_long_are_left_out_and_counted(xray, lecture):
    backbone, events = TalkativeBackbone(), []
    plugin = SelfDistillation(SelfDistillationOptions(memory_samples=5), seed=0)
    learner = learner_with(plugin, backbone)
    learner._listener = events.append
    learner.train(xray, domain="x", stage="x")
    learner.train(lecture, domain="l", stage="l")
    (warned,) = (e.text for e in events if isinstance(e, Warned))
    assert "more than it can be taught, to 3 of 5 prompts; these are left out" in warned


def test_remembered_prompts_are_rehearsed_with_the_models_own_answers(xray, lecture):
    backbone, events = AnsweringBackbone(), []
    options = SelfDistillationOptions(memory_samples=5, memory_batch_samples=3)
    plugin = SelfDistillation(options, seed=0)
    learner = learner_with(plugin, backbone)
    learner._listener = events.append
    learner.train(xray, domain="x", stage="x")
    collated = []
    collate = backbone.collate
    backbone.collate = lambda samples: (collated.append(list(samples)), collate(samples))[1]
    learner.train(lecture, domain="l", stage="l")
    rehearsed = [s for batch in collated for s in batch if s.domain == "xray"]
    assert {sample.answer for sample in rehearsed} == {"clear"}
    assert {sample.id for sample in rehearsed} == set(backbone.asked[1:])
    assert "1 of 5 prompts" in next(e.text for e in events if isinstance(e, Warned))
    steps = [event for event in events if isinstance(event, TrainStep) and event.stage == "l"]
    assert all(dict(event.extra)["self_distillation_loss"] > 0 for event in steps)
    assert "clear" not in str(learner.state_dict())
    assert isinstance(options, MemoryOptions)
