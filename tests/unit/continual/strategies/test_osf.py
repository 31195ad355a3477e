"""Directions of a split weight: who owns them, and what stands still."""

import pytest
import torch
from continual_cases import HIGH, WIDTH, SplitBackbone, ToyBackbone, learner_with

from transferlab.config.pipeline import PipelineConfig, StrategySpec, TrainSection
from transferlab.continual.engine.learner import Learner
from transferlab.continual.strategies.osf import OSF, OSFOptions
from transferlab.errors import ModelError

SECTION = {"epochs": 3, "schedule": "constant", "warmup_fraction": 0, "learning_rate": 5e-3}


class BareBackbone(ToyBackbone):
    def split_weights(self):
        return []


@pytest.fixture(params=[0.0, 0.3], ids=["plain", "decay"])
def trained(request, xray, lecture):
    """The layer before and after the first domain's decomposition, and after the second domain."""
    backbone, plugin = SplitBackbone(), OSF(OSFOptions(share_per_domain=0.25), seed=0)
    layer, seen = backbone.module.down, []
    kept = plugin.after_training_exp

    def watch(strategy, **kwargs):
        seen.append(layer.learned)
        kept(strategy, **kwargs)
        seen.append(layer.learned)

    plugin.after_training_exp = watch
    learner = learner_with(plugin, backbone, weight_decay=request.param, **SECTION)
    learner.train(xray, domain="x", stage="x")
    state = backbone.trainable_state()
    learner.train(lecture, domain="l", stage="l")
    return layer, seen, state


def test_a_domain_is_taken_apart_and_stays_what_it_was(trained):
    layer, seen, state = trained
    torch.testing.assert_close(seen[1], seen[0], rtol=1e-5, atol=1e-6)
    scale = state["down.scale"]
    assert (scale.diff() <= 0).all(), "the largest come first"
    # Preserved and trained parts are orthogonal, so this is the whole weight's decomposition.
    whole = torch.linalg.svdvals(layer.preserved + seen[1])
    apart = torch.cat([torch.linalg.svdvals(layer.preserved)[:HIGH], scale]).sort().values
    torch.testing.assert_close(whole.sort().values, apart, rtol=1e-5, atol=1e-6)


def test_the_next_domain_trains_only_across_what_stands_still(trained):
    layer, seen, state = trained
    assert not torch.equal(seen[2], seen[1])
    for name, part in (("left", layer.left.T), ("right", layer.right)):
        before = state[f"down.{name}"] if name == "right" else state["down.left"].T
        assert torch.equal(part[:3], before[:3])
        assert (part[3:] != before[3:]).any()
    assert torch.equal(layer.scale[:3], state["down.scale"][:3])
    # What was learned says nothing along a direction that stands still.
    new = (seen[2] - seen[1]).float()
    high_left, high_right = layer.u_high.float(), layer.v_high.float()
    still = state["down.left"][:, :3].float(), state["down.right"][:3].float()
    for left in (high_left, still[0]):
        torch.testing.assert_close(left.T @ new, torch.zeros(3, WIDTH), rtol=0, atol=2e-5)
    for right in (high_right, still[1]):
        torch.testing.assert_close(new @ right.T, torch.zeros(WIDTH, 3), rtol=0, atol=2e-5)


def test_directions_that_are_used_up_and_another_adapter_are_refused(xray, lecture):
    plugin = OSF(OSFOptions(share_per_domain=0.8), seed=0)
    learner = learner_with(plugin, SplitBackbone(), **SECTION)
    learner.consolidate(lecture, domain="scenes")  # trains nothing and owns nothing
    learner.train(xray, domain="x", stage="x")
    with pytest.raises(ModelError, match=r"'l' comes after 1 and a weight of 12 directions"):
        learner.train(lecture, domain="l", stage="l")
    learner = learner_with(OSF(OSFOptions(), seed=0), BareBackbone())
    with pytest.raises(ModelError, match=r"split into directions.*kind: osf"):
        learner.train(xray, domain="x", stage="x")


@pytest.mark.parametrize(
    ("adapter", "domains", "sentence"),
    [
        ({"kind": "osf"}, 5, None),
        ({"kind": "osf"}, 6, "share_per_domain: the last of 6 domains would have nothing"),
        ({"kind": "lora"}, 2, "backbone.adapter is of kind 'lora'; set backbone.adapter"),
        (None, 2, "backbone.adapter is null"),
    ],
)
def test_what_it_needs_is_said_before_anything_starts(adapter, domains, sentence):
    config = PipelineConfig.model_validate(
        {
            "name": "osf",
            "source": "scenes",
            "stream": [f"domain-{n}" for n in range(domains)],
            "strategy": ["osf"],
            "backbone": {"adapter": adapter},
        }
    )
    found = list(OSFOptions().misfits(config))
    assert [sentence in one for one in found] == ([True] if sentence else [])


@pytest.mark.parametrize(
    ("name", "options", "method"),
    [("osf", {}, "split_weights"), ("moe_lora", {}, "expert_layers"), ("merge", {}, "merge")],
)
def test_a_backbone_that_cannot_do_what_a_strategy_needs_is_refused(name, options, method):
    class Plain:
        name, trainable_parameters = "plain", 1

    spec = StrategySpec(name=name, options=options)
    with pytest.raises(ModelError, match=rf"strategy\.{name} needs a backbone with {method}\(\)"):
        Learner(Plain(), [spec], TrainSection(), seed=0)
