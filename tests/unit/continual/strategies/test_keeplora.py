"""Updates in the residual subspace: away from the weight's principal directions and past inputs."""

import pytest
import torch
from continual_cases import WIDTH, AdaptedBackbone, learner_with

from transferlab.continual.components.lora.layers import weight_gradients
from transferlab.continual.strategies.keeplora import KeepLoRA, KeepLoRAOptions

SECTION = {"epochs": 3, "schedule": "constant", "warmup_fraction": 0, "learning_rate": 5e-3}
DOWN, UP = "down.lora_A.weight", "down.lora_B.weight"
EYE = torch.eye(WIDTH, dtype=torch.float64)


def keeplora(**options):
    given = {"rank_per_domain": 2, "weight_energy": 0.4, "domain_energy": 0.5, **options}
    return KeepLoRA(KeepLoRAOptions(**given), seed=0)


def spied(plugin, method):
    """What a method of the strategy returns, call by call."""
    kept, found = getattr(plugin, method), []

    def watch(*args):
        made = list(kept(*args))
        found.append(made)
        return made

    setattr(plugin, method, watch)
    return found


def test_no_domain_touches_the_weights_principal_directions(xray, lecture):
    backbone, plugin = AdaptedBackbone(), keeplora()
    learner = learner_with(plugin, backbone, **SECTION)
    values, right = torch.linalg.svd(backbone.module.down.base.weight)[1:]
    held = values.square().cumsum(0) / values.square().sum()
    principal = right[: int((held < 0.4).sum()) + 1]
    assert 0 < len(principal) < WIDTH / 2
    needed = []
    for name, samples in (("x", xray), ("l", lecture)):
        learner.train(samples, domain=name, stage=name)
        needed.append(plugin._needed[0])
    state = backbone.trainable_state()
    learned = state[UP] @ state[DOWN]
    assert float(learned.norm()) > 1e-3
    assert float((learned @ principal.T).norm()) < 1e-12 * float(learned.norm())
    # The second domain leaves alone what the first one needs, too.
    past = EYE - needed[0].without(EYE)
    second = state[UP][:, 2:] @ state[DOWN][2:]
    assert past.trace() > len(principal)
    assert float((second @ past).norm()) < 1e-12 * float(second.norm())


def test_directions_are_those_along_which_the_loss_falls_fastest(xray):
    backbone, plugin = AdaptedBackbone(), keeplora()
    learner, found = learner_with(plugin, backbone, **SECTION), spied(plugin, "wanted")
    weight = backbone.module.down.base.weight.requires_grad_(True)
    batch, targets = backbone.collate(xray)
    logits = backbone.module(batch)
    loss = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, weight)
    weight.requires_grad_(False)
    learner.train(xray, domain="x", stage="x")
    torch.testing.assert_close(found, [[gradient.T @ gradient]])
    start = plugin.needed_at_first(backbone.lora_layers()[0])
    residual = start.without(gradient)
    best = torch.linalg.svd(residual, full_matrices=False).Vh[:2]
    own = backbone.trainable_state()[DOWN][:2]
    torch.testing.assert_close((own @ best.T).abs(), torch.eye(2, dtype=torch.float64))


def test_the_gradient_of_a_frozen_weight_leaves_no_trace(xray):
    backbone, plugin = AdaptedBackbone(), keeplora()
    learner = learner_with(plugin, backbone, **SECTION)
    seen = []

    def watch(trainer):
        found = weight_gradients(trainer, plugin._layers, samples=5)
        seen.extend(one.grad for one in (*trainer.trainable, backbone.module.down.base.weight))
        seen.append(backbone.module.down._forward_hooks)
        return [one.T @ one for one in found]

    plugin.wanted = watch
    learner.train(xray, domain="x", stage="x")
    assert seen[:-1] == [None] * 3
    assert not seen[-1]


@pytest.mark.parametrize("energy", [0.2, 0.9])
def test_the_more_of_a_weight_is_kept_the_less_is_left(energy, xray):
    plugin = keeplora(weight_energy=energy)
    (layer,) = AdaptedBackbone().lora_layers()
    start = plugin.needed_at_first(layer)
    kept = layer.weight - start.without(layer.weight)
    share = float(kept.square().sum() / layer.weight.square().sum())
    assert energy <= share < energy + 0.25
