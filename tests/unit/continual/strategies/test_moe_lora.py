"""Which experts a domain trains, and what happens to the others."""

import pytest
from continual_cases import EXPERTS, ExpertBackbone, ToyBackbone, learner_with, make_samples

from transferlab.continual.strategies.moe_lora import MoELoRA, MoELoRAOptions
from transferlab.errors import ModelError

SECTION = {"epochs": 3, "schedule": "constant", "warmup_fraction": 0, "learning_rate": 5e-3}


class BareBackbone(ToyBackbone):
    def expert_layers(self):
        return []


def moved(before, after) -> list[list[bool]]:
    """Per matrix and expert: whether anything of it has changed."""
    changed = {name: before[name] != after[name] for name in before}
    down, gate = changed["down.down.weight"], changed["down.gate.weight"]
    up = changed["up.weight"].T
    by_expert = [down.view(EXPERTS, -1), up.reshape(EXPERTS, -1), gate]
    return [one.any(dim=1).tolist() for one in by_expert]


def states_after(each, xray, lecture, weight_decay=0.0):
    backbone = ExpertBackbone()
    plugin = MoELoRA(MoELoRAOptions(experts_per_domain=each), seed=0)
    learner = learner_with(plugin, backbone, weight_decay=weight_decay, **SECTION)
    learner.consolidate(make_samples("scenes", 5), domain="scenes")
    states = [backbone.trainable_state()]
    for name, samples in (("x", xray), ("l", lecture)):
        learner.train(samples, domain=name, stage=name)
        states.append(backbone.trainable_state())
    return states


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_each_domain_trains_experts_of_its_own(weight_decay, xray, lecture):
    start, first, second = states_after(1, xray, lecture, weight_decay)
    assert moved(start, first) == [[True, False, False, False]] * 3
    assert moved(first, second) == [[False, True, False, False]] * 3


def test_without_experts_per_domain_all_of_them_are_trained_on_all_domains(xray, lecture):
    start, first, second = states_after(None, xray, lecture)
    assert moved(start, first) == moved(first, second) == [[True] * EXPERTS] * 3


def test_experts_that_are_used_up_and_another_adapter_are_refused(xray, lecture):
    plugin = MoELoRA(MoELoRAOptions(experts_per_domain=3), seed=0)
    learner = learner_with(plugin, ExpertBackbone())
    learner.train(xray, domain="x", stage="x")
    with pytest.raises(ModelError, match=r"'l' needs experts up to 6 and the adapter has 4"):
        learner.train(lecture, domain="l", stage="l")
    learner = learner_with(MoELoRA(MoELoRAOptions(), seed=0), BareBackbone())
    with pytest.raises(ModelError, match="experts: 4"):
        learner.train(xray, domain="x", stage="x")
