"""Key elements of past updates, and the penalty that holds new ones down there."""

import pytest
import torch
from continual_cases import WIDTH, AdaptedBackbone, learner_with

from transferlab.continual.strategies.reglora import RegLoRA, RegLoRAOptions
from transferlab.errors import ModelError

SECTION = {"epochs": 10, "schedule": "constant", "warmup_fraction": 0, "learning_rate": 5e-3}
DOWN, UP = "down.lora_A.weight", "down.lora_B.weight"


def reglora(**options):
    return RegLoRA(RegLoRAOptions(**{"rank_per_domain": 2, "key_share": 0.1, **options}), seed=0)


def two_domains(plugin, xray, lecture, **section):
    backbone = AdaptedBackbone()
    learner = learner_with(plugin, backbone, **{**SECTION, **section})
    states = [backbone.trainable_state()]
    for name, samples in (("x", xray), ("l", lecture)):
        learner.train(samples, domain=name, stage=name)
        states.append(backbone.trainable_state())
    return learner, states


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_each_domain_trains_ranks_of_its_own(weight_decay, xray, lecture):
    _, (start, first, second) = two_domains(reglora(), xray, lecture, weight_decay=weight_decay)
    owned = [[True, True, False, False], [False, False, True, True]]
    for before, after, mine in ((start, first, owned[0]), (first, second, owned[1])):
        assert (after[DOWN] != before[DOWN]).any(dim=1).tolist() == mine
        assert (after[UP] != before[UP]).any(dim=0).tolist() == mine


def test_key_elements_are_the_largest_of_each_domains_update(xray, lecture):
    plugin = reglora()
    _, (_, first, second) = two_domains(plugin, xray, lecture)
    expected = set()
    for state, mine in ((first, slice(0, 2)), (second, slice(2, 4))):
        sizes = (state[UP][:, mine] @ state[DOWN][mine]).abs().flatten()
        expected |= set(sizes.argsort(descending=True)[: int(0.1 * WIDTH**2)].tolist())
    assert plugin._keys[0].tolist() == sorted(expected)
    assert plugin.state_bytes() == 4 * len(expected)


def test_new_updates_stay_away_from_key_elements_and_change_the_others(xray, lecture):
    at_keys, elsewhere = {}, {}
    for strength in (1e-9, 2500.0):
        backbone, plugin = AdaptedBackbone(), reglora(strength=strength)
        learner = learner_with(plugin, backbone, **SECTION)
        learner.train(xray, domain="x", stage="x")
        kept = plugin._keys[0].long()
        learner.train(lecture, domain="l", stage="l")
        state = backbone.trainable_state()
        update = (state[UP][:, 2:] @ state[DOWN][2:]).abs().flatten()
        at_keys[strength] = float(update[kept].mean())
        update[kept] = 0
        elsewhere[strength] = float(update.sum())
    assert at_keys[2500.0] < 0.2 * at_keys[1e-9]
    assert elsewhere[2500.0] > 0.2 * elsewhere[1e-9]


def test_the_penalty_has_the_gradient_of_its_formula(xray, lecture):
    plugin = reglora(strength=3.0)
    learner, _ = two_domains(plugin, xray, lecture)
    plugin._mine = slice(2, 4)
    named = dict(learner._trainer.model.named_parameters())
    down, up = named[DOWN], named[UP]
    learner._trainer.model.zero_grad()
    plugin.after_backward(learner._trainer)
    update = up[:, 2:] @ down[2:]
    penalty = 3.0 * update.flatten()[plugin._keys[0].long()].abs().mean()
    expected = torch.autograd.grad(penalty, [down, up])
    torch.testing.assert_close([down.grad, up.grad], list(expected))
    assert float(plugin.terms["reglora_penalty"]) == pytest.approx(penalty.item())


def test_the_source_has_no_key_elements_and_another_adapter_is_refused(xray, lecture):
    plugin = reglora()
    learner = learner_with(plugin, AdaptedBackbone())
    learner.consolidate(lecture, domain="scenes")
    assert not plugin._keys
    learner.train(xray, domain="x", stage="x")
    plugin._keys = plugin._keys * 2
    with pytest.raises(ModelError, match="about 2 layers and the adapter has 1"):
        learner.train(lecture, domain="l", stage="l")
