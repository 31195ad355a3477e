"""Holding what the previous model computes."""

import pytest
import torch
from avalanche.training.plugins import LwFPlugin
from continual_cases import ToyBackbone, learner_with, make_samples
from torch import nn

from transferlab.continual.components.strategy import Strategy
from transferlab.continual.strategies.feature_distillation import (
    FeatureDistillation,
    FeatureDistillationOptions,
)
from transferlab.continual.strategies.lwf import LwF, LwFOptions, divergence

SECTION = {"epochs": 3, "schedule": "constant", "warmup_fraction": 0, "learning_rate": 5e-3}


class StockLwF(Strategy, LwFPlugin):
    """Avalanche's, told that the tokens of past answers are the past classes."""

    def __init__(self, answered, **options):
        super().__init__(**options)
        self.answered = answered

    def after_training_exp(self, strategy, **kwargs):
        super().after_training_exp(strategy, **kwargs)
        # Avalanche looks at the class of each sample; here a row of logits is about a token.
        self.lwf.prev_classes_by_task = {0: self.answered[self.lwf.expcount - 1]}


def test_training_is_that_of_avalanches_plugin(xray, lecture):
    answered = sorted(int(token) for token in ToyBackbone().collate(xray)[1].unique())
    states = []
    for plugin in (
        StockLwF([answered] * 3, alpha=3.0, temperature=2),
        LwF(LwFOptions(strength=3.0, temperature=2.0, tokens="answered"), seed=0),
    ):
        backbone = ToyBackbone(torch.float64)
        learner = learner_with(plugin, backbone, **SECTION)
        for name, samples in (("x", xray), ("l", lecture), ("s", make_samples("scenes", 15))):
            learner.train(samples, domain=name, stage=name)
        states.append(backbone.trainable_state())
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "plugin",
    [
        LwF(LwFOptions(strength=50.0, temperature=1.0), seed=0),
        FeatureDistillation(FeatureDistillationOptions(strength=500.0), seed=0),
        FeatureDistillation(FeatureDistillationOptions(strength=500.0, distance="cosine"), seed=0),
    ],
    ids=["lwf", "squared", "cosine"],
)
def test_a_strong_penalty_keeps_what_the_model_says_on_new_inputs(plugin, xray, lecture):
    moved = {}
    for label, one in (("free", LwF(LwFOptions(strength=1e-9), seed=0)), ("held", plugin)):
        backbone = ToyBackbone(torch.float64)
        learner = learner_with(one, backbone, **{**SECTION, "epochs": 10})
        learner.train(xray, domain="x", stage="x")
        batch, _ = backbone.collate(lecture)
        before = backbone.module(batch).detach()
        learner.train(lecture, domain="l", stage="l")
        after = backbone.module(batch).detach()
        moved[label] = float(divergence(after, before, 1.0))
    assert moved["held"] < 0.6 * moved["free"]


def test_the_previous_model_is_put_in_for_a_pass_only_and_without_dropout(xray, lecture):
    plugin, backbone = LwF(LwFOptions(), seed=0), ToyBackbone(dropout=0.5)
    learner = learner_with(plugin, backbone)
    learner.train(xray, domain="x", stage="x")
    batch, _ = backbone.collate(lecture)
    expected = backbone.module(batch).detach()
    with torch.no_grad():
        for parameter in learner._trainer.trainable:
            parameter.add_(1.0)
    changed = backbone.trainable_state()
    backbone.module.train()
    torch.testing.assert_close(plugin.teacher.logits(learner._trainer, batch), expected)
    assert backbone.module.training
    assert all(torch.equal(v, changed[n]) for n, v in backbone.trainable_state().items())


def test_it_keeps_one_number_per_trainable_parameter(xray):
    backbone = ToyBackbone()
    learner = learner_with(LwF(LwFOptions(), seed=0), backbone)
    report = learner.train(xray, domain="x", stage="x")
    assert report.strategy_bytes == 4 * backbone.trainable_parameters


def test_the_divergence_is_that_of_the_definition():
    torch.manual_seed(0)
    new, old = torch.randn(5, 7), torch.randn(5, 7)
    p, q = (old / 3).softmax(1), (new / 3).softmax(1)
    torch.testing.assert_close(divergence(new, old, 3.0), (p * (p / q).log()).sum() / 5)
    assert nn.functional.cross_entropy(new, old.softmax(1)) > 0
