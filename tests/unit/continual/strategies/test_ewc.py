"""EWC: its importances, and its penalty against Avalanche's and against autograd."""

import pytest
import torch
from continual_cases import StockEWC, ToyBackbone, learner_with, make_samples
from fisher_cases import brute_force

from transferlab.continual.components.quadratic_penalty import flatten
from transferlab.continual.strategies.ewc import EWC, EWCOptions


@pytest.mark.parametrize("limit", [None, 0.05])
@pytest.mark.parametrize("mode", ["separate", "online"])
def test_with_batch_fisher_training_is_that_of_avalanches_plugin(mode, limit, xray, lecture):
    """Three domains, so that separate penalties pile up and online importances decay.

    Clipped, the penalty's gradient must count in the norm as it does where it is in the loss.
    """
    decay = 0.7 if mode == "online" else None
    stock = StockEWC(ewc_lambda=40.0, mode=mode, decay_factor=decay)
    options = EWCOptions(strength=40.0, mode=mode, decay=decay, fisher="batch")
    states = []
    for plugin in (stock, EWC(options, seed=0)):
        backbone = ToyBackbone()
        section = {} if limit is None else {"optimizer": "sgd", "learning_rate": 0.3}
        learner = learner_with(plugin, backbone, epochs=2, max_grad_norm=limit, **section)
        for name, samples in (("x", xray), ("l", lecture), ("s", make_samples("scenes", 15))):
            learner.train(samples, domain=name, stage=name)
        states.append(backbone.trainable_state())
    start = ToyBackbone().trainable_state()
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-3, atol=2e-5)
        assert float((value - start[name]).abs().max()) > 1e-2


def test_batch_importances_are_avalanches_and_exact_ones_are_not(xray):
    found = {}
    for kind in ("batch", "exact"):
        backbone = ToyBackbone()
        plugin = EWC(EWCOptions(fisher=kind), seed=0)
        learner = learner_with(plugin, backbone)
        learner.consolidate(xray, domain="xray")
        found[kind] = plugin._importance
    stock = StockEWC(ewc_lambda=1.0)
    learner_with(stock, ToyBackbone()).consolidate(xray, domain="xray")
    expected = flatten([data.data for data in stock.importances[0].values()])
    torch.testing.assert_close(found["batch"], expected)
    assert not torch.allclose(found["exact"], expected, rtol=0.1)


@pytest.mark.parametrize("mode", ["separate", "online"])
def test_the_analytic_gradient_and_value_are_those_of_the_penalty_in_autograd(mode, xray, lecture):
    backbone = ToyBackbone()
    plugin = EWC(EWCOptions(strength=3.0, mode=mode), seed=0)
    learner = learner_with(plugin, backbone)
    parabolas = []
    for name, samples in (("x", xray), ("l", lecture)):
        learner.train(samples, domain=name, stage=name)
        parabolas.append(
            (brute_force(backbone.module, backbone, samples), flatten(parameters(backbone)))
        )
    if mode == "online":
        parabolas = [(parabolas[0][0] + parabolas[1][0], parabolas[1][1])]
    with torch.no_grad():
        for at, parameter in enumerate(parameters(backbone)):
            parameter.add_(0.1 * (at + 1))
    theta = torch.cat([p.reshape(-1) for p in parameters(backbone)])
    penalty = 3.0 * sum((f * (theta - anchor).square()).sum() for f, anchor in parabolas)
    expected = torch.autograd.grad(penalty, parameters(backbone))
    backbone.module.zero_grad()
    plugin.after_backward(learner._trainer)
    for parameter, gradient in zip(parameters(backbone), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-7)
    assert plugin.terms == {"ewc_penalty": pytest.approx(penalty.item(), rel=1e-4)}


def parameters(backbone):
    return [p for _, p in backbone.module.named_parameters()]


@pytest.mark.parametrize("mode", ["separate", "online"])
def test_two_numbers_per_trainable_parameter_however_long_the_stream(mode, xray, lecture):
    backbone = ToyBackbone()
    plugin = EWC(EWCOptions(mode=mode), seed=0)
    learner = learner_with(plugin, backbone)
    for name, samples in (("x", xray), ("l", lecture), ("s", make_samples("scenes", 9))):
        report = learner.train(samples, domain=name, stage=name)
        assert report.strategy_bytes == 2 * 4 * backbone.trainable_parameters


def test_the_cap_draws_that_many_samples_with_the_seed(monkeypatch, xray):
    seen = []

    def spy(module, batches, generator=None, precision=None):
        seen.append([name for batch in batches for name in batch.sample_ids])
        return torch.zeros(sum(p.numel() for p in module.parameters()))

    monkeypatch.setattr("transferlab.continual.strategies.ewc.exact_fisher", spy)
    for seed in (0, 0, 1):
        plugin = EWC(EWCOptions(fisher_samples=10), seed=seed)
        learner_with(plugin, ToyBackbone()).consolidate(xray, domain="xray")
    assert [len(set(names)) for names in seen] == [10, 10, 10]
    assert seen[0] == seen[1] != seen[2]


def test_strength_holds_the_parameters_where_they_were(make_learner, xray, lecture):
    moved = {}
    for strength in (1e-3, 1e3):
        backbone = ToyBackbone()
        learner = make_learner(backbone, ewc={"strength": strength})
        learner.train(xray, domain="xray", stage="one")
        needed = learner._strategies[0]._importance
        before = flatten(parameters(backbone))
        learner.train(lecture, domain="lecture", stage="two")
        after = flatten(parameters(backbone))
        moved[strength] = float((needed * (after - before).square()).sum())
    assert moved[1e3] < 0.1 * moved[1e-3]
