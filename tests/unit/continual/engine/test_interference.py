"""The cosine of two domains' gradients."""

import pytest
import torch
from continual_cases import ToyBackbone


def test_it_is_the_cosine_of_the_mean_gradients_and_changes_nothing(make_learner, xray, lecture):
    backbone = ToyBackbone(dropout=0.4)
    learner = make_learner(backbone)
    learner.train(xray, domain="xray", stage="one")
    before = backbone.trainable_state()
    random = torch.get_rng_state()
    found = learner.interference(xray, {"xray": xray, "lecture": lecture})
    assert found["xray"] == pytest.approx(1.0, abs=1e-5)

    def direction(samples):
        batch, targets = backbone.collate(samples)
        loss = torch.nn.functional.cross_entropy(backbone.module(batch), targets)
        gradients = torch.autograd.grad(loss, list(backbone.module.parameters()))
        return torch.cat([one.flatten() for one in gradients])

    backbone.module.eval()
    expected = torch.cosine_similarity(direction(xray), direction(lecture), dim=0)
    assert found["lecture"] == pytest.approx(expected.item(), abs=1e-5)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(before[n], v) for n, v in backbone.trainable_state().items())
