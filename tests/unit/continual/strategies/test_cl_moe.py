"""Experts moved by momentum, and two routers in one gate."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from continual_cases import EXPERTS, MixtureBackbone, learner_with

from transferlab.continual.strategies.cl_moe import CLMoE, CLMoEOptions
from transferlab.core.records import Prediction
from transferlab.errors import ModelError

SECTION = {"epochs": 2, "schedule": "constant", "warmup_fraction": 0, "learning_rate": 5e-3}
GATE, DOWN, UP = "down.gate.weight", "down.down.weight", "up.weight"


class Backbone(MixtureBackbone):
    """Its features tell domains apart; its answers are its gate's weights of one token."""

    def __init__(self):
        super().__init__(torch.float32)

    def features(self, samples, *, batch_samples):
        rows = [[1.0, 0.1] if one.domain == "xray" else [0.1, 1.0] for one in samples]
        self.at_features = self.trainable_state()
        return SimpleNamespace(joint=np.array(rows, dtype=np.float32))

    def gate_weights(self):
        with torch.no_grad():
            return self.module.down.gate(torch.ones(1, 12)).softmax(-1)[0].tolist()

    def score_choices(self, samples, *, batch_samples):
        found = tuple(self.gate_weights())
        return [Prediction(sample=one, text="", log_likelihoods=found) for one in samples]


class BareBackbone(MixtureBackbone):
    def expert_layers(self):
        return []


def by_experts(state):
    """(experts, numbers): both matrices of each expert, side by side."""
    up = state[UP].T.reshape(EXPERTS, -1)
    return torch.cat([state[DOWN].reshape(EXPERTS, -1), up], dim=1)


@pytest.fixture
def trained(xray, lecture):
    """The strategy over two domains, with what each trained before experts were moved."""
    backbone, plugin, own = Backbone(), CLMoE(CLMoEOptions(), seed=0), []
    start, kept = backbone.trainable_state(), plugin.after_training_exp

    def watch(trainer, **kwargs):
        own.append(backbone.trainable_state())
        kept(trainer, **kwargs)
        own.append(backbone.trainable_state())

    plugin.after_training_exp = watch
    learner = learner_with(plugin, backbone, **SECTION)
    for name, samples in (("xray", xray), ("lecture", lecture)):
        learner.train(samples, domain=name, stage=name)
    return learner, plugin, backbone, start, own


def test_experts_that_domains_share_change_least(xray, lecture, trained):
    _, plugin, _, _, (after_first, first, trained_second, second) = trained
    assert all(torch.equal(first[name], one) for name, one in after_first.items())
    (old,), (new,) = plugin.shares["xray"], plugin.shares["lecture"]
    kept = torch.where((new > 0) & (old == 0), 0.3, 0.7)[:, None]
    expected = kept * by_experts(first) + (1 - kept) * by_experts(trained_second)
    torch.testing.assert_close(by_experts(second), expected)
    assert torch.equal(second[GATE], trained_second[GATE])


def test_an_expert_that_no_past_domain_needed_goes_further(trained):
    learner, plugin, backbone, _, _ = trained
    state = backbone.trainable_state()
    plugin._before = torch.cat([one.flatten() for one in state.values()])
    with torch.no_grad():
        for parameter in learner._trainer.trainable:
            parameter.add_(1.0)
    plugin.shares = {"xray": [torch.tensor([0.5, 0.5, 0, 0])]}
    plugin._trained = ["xray"]
    plugin._momentum(learner._trainer, [torch.tensor([0, 0.6, 0.4, 0])])
    moved = (by_experts(backbone.trainable_state()) - by_experts(state)).mean(dim=1)
    torch.testing.assert_close(moved, torch.tensor([0.3, 0.3, 0.7, 0.3]))


def test_shares_are_the_mean_of_the_gate_over_a_domain(trained, lecture):
    _, plugin, backbone, _, own = trained
    backbone.load_trainable_state(own[2])  # as the domain left it
    rows = []
    handle = backbone.module.down.gate.register_forward_hook(
        lambda module, inputs, logits: rows.append(logits.softmax(-1)[0])
    )
    with torch.no_grad():
        for sample in lecture:
            backbone.module(backbone.collate([sample])[0])
    handle.remove()
    mean = torch.cat(rows).mean(0)
    values, places = mean.topk(2)
    expected = torch.zeros(EXPERTS).index_copy(0, places, values / values.sum())
    torch.testing.assert_close(plugin.shares["lecture"][0], expected)


def test_a_question_is_weighed_by_its_gate_and_its_domains_shares(trained, xray, lecture):
    learner, plugin, backbone, start, _ = trained
    state, alone = backbone.trainable_state(), torch.tensor(backbone.gate_weights())
    mixed = [lecture[0], xray[0], lecture[1]]
    answers = learner.inference_backbone().score_choices(mixed, batch_samples=4)
    assert all(torch.equal(start[name], one) for name, one in backbone.at_features.items())
    for answer, domain in zip(answers, ("lecture", "xray", "lecture"), strict=True):
        expected = 0.5 * alone + 0.5 * plugin.shares[domain][0]
        torch.testing.assert_close(torch.tensor(answer.log_likelihoods), expected)
    # Nothing is left behind: training goes on with the gate alone.
    torch.testing.assert_close(torch.tensor(backbone.gate_weights()), alone)
    assert all(torch.equal(state[name], one) for name, one in backbone.trainable_state().items())


def test_the_source_has_shares_and_moves_no_expert(xray, lecture):
    backbone, plugin = Backbone(), CLMoE(CLMoEOptions(), seed=0)
    learner = learner_with(plugin, backbone, **SECTION)
    learner.consolidate(lecture, domain="scenes")
    torch.testing.assert_close(plugin.shares["scenes"][0], torch.full((EXPERTS,), 1 / EXPERTS))
    learner.train(xray, domain="xray", stage="x")
    assert plugin._trained == ["xray"]


def test_another_adapter_is_refused(xray):
    learner = learner_with(CLMoE(CLMoEOptions(), seed=0), BareBackbone())
    with pytest.raises(ModelError, match=r"cl_moe needs an adapter of experts.*experts: 4"):
        learner.train(xray, domain="x", stage="x")
