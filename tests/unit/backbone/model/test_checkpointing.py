"""Gradient checkpointing where gradients are measured without dropout, as strategies do."""

import copy

import pytest
import torch
from backbone_cases import sample, tiny, waken
from transformers.modeling_layers import GradientCheckpointingLayer

from transferlab.backbone.model import checkpointing
from transferlab.backbone.model.checkpointing import checkpointed_layers
from transferlab.config.backbone import EMBEDDED, AdapterSection

SAMPLES = [sample(0), sample(1, answer="none")]


def loaded(model, *, again, dropout=0.0):
    adapter = AdapterSection(rank=2, dropout=dropout)
    backbone = tiny(model=model, adapter=adapter, gradient_checkpointing=again)
    waken(backbone)
    return backbone


def gradients(backbone):
    """Of one batch, with how many bytes autograd kept for them."""
    saved = {}

    def see(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    weights = {p.untyped_storage().data_ptr() for p in backbone.model.parameters()}
    backbone.module.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(see, lambda tensor: tensor):
        loss = backbone.module(backbone.collate(SAMPLES)[0]).sum()
    loss.backward()
    size = sum(one for at, one in saved.items() if at not in weights)
    return [p.grad.clone() for p in backbone.module.parameters()], size


@pytest.mark.parametrize("embedded", [True, False])
def test_without_dropout_activations_are_computed_again_too(smolvlm_folder, embedded):
    model = EMBEDDED if embedded else smolvlm_folder
    kept, again = (loaded(model, again=one, dropout=0.5) for one in (False, True))
    expected, _ = gradients(again)
    training_bytes = gradients(again)[1]
    kept.module.eval(), again.module.eval()
    exact, kept_bytes = gradients(kept)
    found, size = gradients(again)
    for one, other in zip(exact, found, strict=True):
        torch.testing.assert_close(other, one)
    # In training dropout is on: were it on here, these would be the same as those.
    assert any(not torch.allclose(a, b) for a, b in zip(expected, found, strict=True))
    assert size <= training_bytes
    assert size < 0.3 * kept_bytes
    assert not any(layer.training for layer in checkpointed_layers(again.model))


class Noisy(GradientCheckpointingLayer):
    """Has dropout of its own, which asks the layer itself whether it is trained."""

    def __init__(self):
        super().__init__()
        self.dense = torch.nn.Linear(4, 4)
        self.modes = []

    def forward(self, x):
        self.modes.append(self.training)
        return torch.nn.functional.dropout(self.dense(x), 0.5, self.training)


def test_the_layers_own_dropout_is_off(monkeypatch):
    layer = Noisy().eval()
    holder = torch.nn.Sequential(layer)
    layer.gradient_checkpointing = True
    calls = []

    def checkpoint(function, *args):
        calls.append(args)
        return torch.utils.checkpoint.checkpoint(function, *args, use_reentrant=False)

    layer._gradient_checkpointing_func = checkpoint
    monkeypatch.setattr(checkpointing, "innermost", lambda model: model)
    (found,) = checkpointing.checkpointed_layers(holder)
    checkpointing.recompute_in_any_mode(found)
    x = torch.ones(2, 4)
    holder(x).sum().backward()
    assert len(calls) == 1
    assert layer.modes == [False, False]  # once, and once more in the backward pass
    with torch.no_grad():
        torch.testing.assert_close(holder(x), layer.dense(x))
    assert len(calls) == 1


def test_a_copy_runs_its_own_layers():
    backbone = loaded(EMBEDDED, again=True)
    backbone.module.eval()
    twin = copy.deepcopy(backbone.module)
    batch = backbone.collate(SAMPLES)[0]
    before = twin(batch).detach()
    with torch.no_grad():
        for parameter in backbone.module.parameters():  # the frozen ones are shared
            parameter.zero_()
    torch.testing.assert_close(twin(batch).detach(), before)
    twin(batch).sum().backward()
    assert all(p.grad is not None for p in twin.parameters())
    assert all(p.grad is None for p in backbone.module.parameters())
