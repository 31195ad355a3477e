"""Input directions set before a domain: whose they are, and what they leave alone."""

import pytest
import torch
from continual_cases import WIDTH, AdaptedBackbone, ToyBackbone, learner_with, make_samples

from transferlab.continual.components.lora.layers import spread
from transferlab.continual.components.lora.subspace import Subspace, leading_directions
from transferlab.continual.strategies.inflora import InfLoRA, InfLoRAOptions
from transferlab.errors import ModelError

SECTION = {"epochs": 3, "schedule": "constant", "warmup_fraction": 0, "learning_rate": 5e-3}
DOWN, UP = "down.lora_A.weight", "down.lora_B.weight"


class BareBackbone(ToyBackbone):
    def lora_layers(self):
        return []


def inflora(**options):
    return InfLoRA(InfLoRAOptions(**{"rank_per_domain": 2, "energy": 0.6, **options}), seed=0)


@pytest.fixture(params=[0.0, 0.3], ids=["plain", "decay"])
def trained(request, xray, lecture):
    """The strategy, what it holds after the first domain, and the states after each."""
    backbone, plugin = AdaptedBackbone(), inflora()
    learner = learner_with(plugin, backbone, weight_decay=request.param, **SECTION)
    states, held = [backbone.trainable_state()], []
    for name, samples in (("x", xray), ("l", lecture)):
        learner.train(samples, domain=name, stage=name)
        states.append(backbone.trainable_state())
        held.append(plugin._needed[0])
    return learner, held, states


def test_a_domain_trains_what_is_made_of_its_own_directions_and_nothing_else(trained):
    _, _, (start, first, second) = trained
    assert torch.equal(first[DOWN][2:], start[DOWN][2:])
    assert torch.equal(second[DOWN][:2], first[DOWN][:2])
    assert (first[UP] != start[UP]).any(dim=0).tolist() == [True, True, False, False]
    assert (second[UP] != first[UP]).any(dim=0).tolist() == [False, False, True, True]
    for rows in (second[DOWN][:2], second[DOWN][2:]):  # stood still, of the norm they were given
        torch.testing.assert_close(rows @ rows.T, torch.eye(2, dtype=torch.float64) / 3)


def test_what_a_domain_learns_says_nothing_about_what_past_domains_need(trained):
    _, (needed, _), (_, first, second) = trained
    assert 0 < needed.free < WIDTH
    past = torch.eye(WIDTH, dtype=torch.float64) - needed.without(
        torch.eye(WIDTH, dtype=torch.float64)
    )
    learned = second[UP] @ second[DOWN] - first[UP] @ first[DOWN]
    assert float(learned.norm()) > 1e-3
    assert float((learned @ past).norm()) < 1e-12 * float(learned.norm())


def test_directions_are_the_leading_ones_of_the_domains_inputs(xray):
    backbone, plugin, found = AdaptedBackbone(), inflora(), []
    wanted = plugin.wanted
    plugin.wanted = lambda trainer: found.extend(wanted(trainer)) or found
    learner = learner_with(plugin, backbone, **SECTION)
    inputs = []
    layer = backbone.module.down
    handle = layer.register_forward_pre_hook(lambda _, args: inputs.append(args[0][0]))
    for sample in xray:
        backbone.module(backbone.collate([sample])[0])
    handle.remove()
    rows = torch.cat(inputs)
    learner.train(xray, domain="x", stage="x")
    directions = torch.linalg.svd(rows, full_matrices=False).Vh[:2]
    own = backbone.trainable_state()[DOWN][:2] * 3**0.5
    torch.testing.assert_close((own @ directions.T).abs(), torch.eye(2, dtype=torch.float64))
    # One sample goes through at a time, so that padding is nobody's input.
    torch.testing.assert_close(found, [rows.T @ rows])


def test_both_ways_to_keep_directions_hold_the_same_energy():
    random = torch.Generator().manual_seed(0)
    space = plain = Subspace.nothing(torch.zeros(8, dtype=torch.float64))
    seen = []
    for energy in (0.3, 0.6, 0.9, 0.99):
        rows = torch.randn(5, 8, generator=random, dtype=torch.float64)
        moments = rows.T @ rows
        space = space.grown(moments, energy=energy)
        held = float(1 - space.left_of(moments).trace() / moments.trace())
        assert held >= energy
        seen.append((space.across, space.free))
        # Without the last direction it would be less: no more is taken than is needed.
        columns = plain.columns
        directions, _ = leading_directions(plain.left_of(moments), count=plain.free)
        for count in range(len(directions) + 1):
            more = torch.cat([columns, directions[:count].T], dim=1)
            if float((more.T @ moments @ more).trace()) >= energy * float(moments.trace()):
                break
        plain = Subspace(more)
        assert space.free == plain.free
        eye = torch.eye(8, dtype=torch.float64)
        torch.testing.assert_close(space.without(eye), plain.without(eye))
    assert {across for across, _ in seen} == {True, False}
    assert space.columns.shape[1] <= 4


def test_the_source_is_left_alone_too_and_has_no_ranks(xray, lecture):
    backbone, plugin = AdaptedBackbone(), inflora()
    learner = learner_with(plugin, backbone, **SECTION)
    learner.consolidate(lecture, domain="scenes")
    (needed,) = plugin._needed
    assert needed.free < WIDTH
    learner.train(xray, domain="x", stage="x")
    own = backbone.trainable_state()[DOWN][:2]
    torch.testing.assert_close(needed.without(own), own)


def test_the_share_left_alone_rises_over_the_domains_that_the_adapter_has_ranks_for(xray):
    plugin = inflora(rank_per_domain=1)
    learner = learner_with(plugin, AdaptedBackbone(), **{**SECTION, "epochs": 1})
    shares = []
    for name in ("a", "b", "c"):
        learner.train(make_samples(name, 6), domain=name, stage=name)
        shares.append(plugin.energy())
    assert shares == pytest.approx([0.6, 0.7, 0.8])


def test_what_cannot_be_done_is_refused(xray, lecture):
    learner = learner_with(inflora(rank_per_domain=3), AdaptedBackbone())
    learner.train(xray, domain="x", stage="x")
    with pytest.raises(ModelError, match=r"'l' needs ranks up to 6 and the adapter has 4"):
        learner.train(lecture, domain="l", stage="l")
    with pytest.raises(ModelError, match=r"strategy\.inflora.*'down.weight' is trained"):
        learner_with(inflora(), BareBackbone()).train(xray, domain="x", stage="x")
    full = inflora()
    learner = learner_with(full, AdaptedBackbone())
    full._needed = [Subspace(torch.zeros(WIDTH, 0, dtype=torch.float64), across=True)]
    with pytest.raises(ModelError, match=r"nothing that domain 'x' could use.*lower.*energy"):
        learner.train(xray, domain="x", stage="x")
    full._needed = [Subspace(torch.zeros(3, 0, dtype=torch.float64))]
    with pytest.raises(ModelError, match="about 1 layers and the adapter has 1, or others"):
        learner.train(xray, domain="x", stage="x")


def test_samples_are_spread_over_a_domain():
    assert spread(10, 4) == [0, 2, 5, 7]
    assert spread(3, 8) == [0, 1, 2]
