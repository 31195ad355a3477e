"""LoRAs of all domains, fused below the last block and weighed in it."""

import numpy as np
import pytest
import torch
from continual_cases import TwoBlockBackbone, learner_with

from transferlab.continual.strategies.hide import HiDe, HiDeOptions
from transferlab.core.records import Features, Prediction

SECTION = {"epochs": 3, "schedule": "constant", "warmup_fraction": 0, "learning_rate": 5e-3}
BLOCKS = ("down", "up")
"""The toy's two layers with LoRA, the last block last."""


class Backbone(TwoBlockBackbone):
    """Its features tell domains apart; its answers are what the last block makes of ones."""

    def __init__(self):
        super().__init__(torch.float32)

    def features(self, samples, *, batch_samples):
        rows = np.array([[1.0, 0.1] if s.domain == "xray" else [0.1, 1.0] for s in samples])
        rows = rows.astype(np.float32)
        self.at_features = {name: p.clone() for name, p in self.module.named_parameters()}
        return Features(image=rows, text=rows, joint=rows)

    def score_choices(self, samples, *, batch_samples):
        one = self.module.up.lora_B.weight.detach().sum().item()
        return [Prediction(sample=sample, text="", log_likelihoods=(one,)) for sample in samples]


def matrices(state, block, ranks):
    """A and B of some ranks of a block."""
    name = f"{block}.lora_%s.weight"
    return state[name % "A"][ranks], state[name % "B"][:, ranks]


@pytest.fixture
def trained(xray, lecture):
    """The strategy over two domains, with what each trained as it was at the domain's end."""
    backbone, own = Backbone(), []
    plugin = HiDe(HiDeOptions(rank_per_domain=2), seed=0)
    start, kept = backbone.trainable_state(), plugin.after_training_exp

    def watch(trainer, **kwargs):
        own.append(backbone.trainable_state())
        kept(trainer, **kwargs)

    plugin.after_training_exp = watch
    learner = learner_with(plugin, backbone, **SECTION)
    for name, samples in (("xray", xray), ("lecture", lecture)):
        learner.train(samples, domain=name, stage=name)
    return learner, plugin, backbone, start, own


def test_a_domain_trains_ranks_of_its_own_and_has_no_other_beside_it(trained):
    _, _, _, start, own = trained
    for block in BLOCKS:
        assert not matrices(own[1], block, slice(0, 2))[1].any()
        for state, mine in zip(own, (slice(0, 2), slice(2, 4)), strict=True):
            down, up = matrices(state, block, mine)
            assert (down != matrices(start, block, mine)[0]).any(dim=1).all()
            assert up.any(dim=0).all()


def test_blocks_but_the_last_are_fused_and_the_last_holds_all(trained):
    _, plugin, backbone, _, own = trained
    assert plugin._top == [1]
    parts = [
        [matrices(own[at], block, slice(2 * at, 2 * at + 2)) for at in (0, 1)] for block in BLOCKS
    ]
    plugin.take(None, (0.3, 0.7))
    state = backbone.trainable_state()
    (down, up), (more_down, more_up) = parts[0]
    fused = state["down.lora_B.weight"] @ state["down.lora_A.weight"]
    torch.testing.assert_close(fused, (up + more_up) @ (down + more_down))
    (down, up), (more_down, more_up) = parts[1]
    weighed = state["up.lora_B.weight"] @ state["up.lora_A.weight"]
    torch.testing.assert_close(weighed, 0.3 * up @ down + 0.7 * more_up @ more_down)


def test_one_domain_alone_is_answered_as_it_was_trained(xray):
    backbone = Backbone()
    plugin = HiDe(HiDeOptions(rank_per_domain=2), seed=0)
    kept, own = plugin.after_training_exp, []

    def watch(trainer, **kwargs):
        own.append(backbone.trainable_state())
        kept(trainer, **kwargs)

    plugin.after_training_exp = watch
    learner = learner_with(plugin, backbone, **SECTION)
    learner.train(xray, domain="xray", stage="x")
    for name, value in backbone.trainable_state().items():
        torch.testing.assert_close(value, own[0][name])


def test_each_question_has_weights_of_its_own_by_likeness(trained, xray, lecture):
    learner, plugin, backbone, start, _ = trained
    mixed = [xray[0], lecture[0], xray[1]]
    weights = plugin.routes(learner._trainer, mixed)
    cosine = 0.2 / 1.01
    likest = 1 / (1 + np.exp((cosine - 1) / 0.1))
    expected = [[likest, 1 - likest], [1 - likest, likest], [likest, 1 - likest]]
    np.testing.assert_allclose(weights, expected, rtol=1e-5)
    # Features are those before any domain, whatever the parameters are now.
    assert all(torch.equal(value, start[name]) for name, value in backbone.at_features.items())
    state = backbone.trainable_state()
    answers = learner.inference_backbone().score_choices(mixed, batch_samples=8)
    sums = [one[3].sum().item() for one in plugin.experts.values()]
    for (weight, other), answer in zip(expected, answers, strict=True):
        assert answer.log_likelihoods[0] == pytest.approx(
            weight * sums[0] + other * sums[1], rel=1e-4
        )
    assert all(
        torch.equal(value, state[name]) for name, value in backbone.trainable_state().items()
    )


def test_the_source_has_a_weight_and_nothing_to_add(xray, lecture):
    backbone, plugin = Backbone(), HiDe(HiDeOptions(rank_per_domain=4, temperature=0.01), seed=0)
    start = backbone.trainable_state()
    learner = learner_with(plugin, backbone, **SECTION)
    learner.consolidate(lecture, domain="lecture")
    assert all(torch.equal(one, start[name]) for name, one in backbone.trainable_state().items())
    learner.train(xray, domain="xray", stage="x")
    ((source, own),) = plugin.routes(learner._trainer, lecture[:1])
    assert source > 0.99
    plugin.take(None, (source, own))
    assert float(backbone.trainable_state()["up.lora_B.weight"].abs().max()) < 1e-3
