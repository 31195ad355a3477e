"""A-GEM and GEM: steps that do not go against the past."""

import numpy as np
import torch
from continual_cases import ToyBackbone, learner_with, with_gradient

from transferlab.continual.components.gradients import dot, gradient
from transferlab.continual.strategies.agem import AGEM, AGEMOptions
from transferlab.continual.strategies.gem import GEM, RIDGE, GEMOptions, solve


def test_agem_takes_away_what_would_harm_the_memory(xray, lecture):
    backbone = ToyBackbone(torch.float64)
    plugin = AGEM(AGEMOptions(memory_batch_samples=8), seed=0)
    learner = learner_with(plugin, backbone, epochs=10)
    learner.train(xray, domain="xray", stage="one")
    plugin.memory.start_sampling()
    memory = plugin.sample(learner._trainer)
    plugin.sample = lambda strategy: memory
    _, reference = gradient(learner._trainer, memory)
    own = with_gradient(learner, memory)
    torch._foreach_mul_(own, -1.0)  # a step that undoes what was learned
    own[0].add_(0.3)
    before = [one.clone() for one in own]
    assert dot(own, reference) < 0
    plugin.after_backward(learner._trainer)
    assert abs(float(dot(own, reference))) < 1e-12
    assert float(dot(own, before)) > 0
    assert plugin.terms["agem_cosine"] < 0
    own = with_gradient(learner, memory)
    plugin.after_backward(learner._trainer)
    assert torch.equal(own[0], reference[0]), "a step that helps is left alone"


def test_gem_takes_the_nearest_step_that_harms_no_past_domain():
    random = np.random.default_rng(0)
    for margin in (0.0, 0.5):
        past, own = random.normal(size=(3, 40)), random.normal(size=40)
        own -= 0.8 * past[0] + 0.4 * past[1]
        weights = solve(past @ past.T, past @ own, margin=margin)
        gram = past @ past.T
        quadratic = gram + RIDGE * np.diag(gram).mean() * np.eye(3)
        slope = quadratic @ weights + past @ own
        free = weights > margin + 1e-9
        assert free.any()
        np.testing.assert_allclose(slope[free], 0, atol=1e-8)
        assert (slope[~free] > 0).all()
        assert (past @ (own + weights @ past) > -0.01).all()


def test_gem_bends_the_steps_of_training(xray, lecture):
    plugin = GEM(GEMOptions(memory_batch_samples=None, margin=0.0), seed=0)
    backbone = ToyBackbone(torch.float64)
    learner = learner_with(plugin, backbone, epochs=10)
    learner.train(xray, domain="xray", stage="one")
    learner.train(lecture, domain="lecture", stage="two")
    plugin.memory.start_sampling()
    batches = [plugin.memory.draw(learner._trainer, at, None)[0] for at in range(2)]
    references = [gradient(learner._trainer, batch)[1] for batch in batches]
    own = with_gradient(learner, batches[0])
    torch._foreach_mul_(own, -1.0)
    assert dot(own, references[0]) < 0
    plugin.after_backward(learner._trainer)
    norms = [float(dot(one, one)) ** 0.5 for one in references]
    for one, norm in zip(references, norms, strict=True):
        assert float(dot(own, one)) > -1e-4 * norm
