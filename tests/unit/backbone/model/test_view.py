"""The module that strategies see: its logits, its parameters, and its copies."""

import copy

import pytest
import torch
from backbone_cases import picture, sample, tiny, waken
from torch.nn.functional import cross_entropy

from transferlab.errors import ModelError

MIXED = [
    sample(0, answer="effusion"),
    sample(1, answer="a small pleural effusion on the left", media=(picture(1, frames=2),)),
    sample(2, answer="none", media=(), prompt="What is an effusion?"),
]


def own_loss(backbone, batch):
    """The loss that transformers computes itself, from its own labels."""
    # Its labels stand where the token is read, ours where it is predicted; the last answer token
    # is never read in our batches, so it is appended here.
    inputs = backbone.module.inputs(batch)
    ids = torch.cat([batch.input_ids, batch.labels[:, -1:]], dim=1)
    mask = torch.cat([batch.attention_mask, torch.ones(len(batch), 1, dtype=torch.long)], dim=1)
    labels = torch.cat([torch.full((len(batch), 1), -100), batch.labels], dim=1)
    inputs |= {"input_ids": ids, "attention_mask": mask}
    return backbone.model(**inputs, labels=labels).loss


def test_the_loss_is_that_of_transformers(any_backbone):
    batch, targets = any_backbone.collate(MIXED)
    with torch.no_grad():
        ours = cross_entropy(any_backbone.module(batch), targets)
        theirs = own_loss(any_backbone, batch)
    assert abs(ours - theirs) < 1e-5


def test_logits_follow_the_order_of_the_targets(any_backbone):
    batch, targets = any_backbone.collate(MIXED)
    with torch.no_grad():
        together = any_backbone.module(batch)
        alone = torch.cat([any_backbone.module(any_backbone.collate([s])[0]) for s in MIXED])
    assert together.shape == (len(targets), any_backbone.model.config.text_config.vocab_size)
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_only_trainable_parameters_are_seen(plain):
    view = plain.module
    assert all("lora_" in name for name, _ in view.named_parameters())
    assert all(parameter.requires_grad for parameter in view.parameters())
    assert view.state_dict().keys() == dict(view.named_parameters()).keys()
    assert sum(p.numel() for p in view.parameters()) == plain.trainable_parameters


def test_every_trainable_parameter_gets_a_gradient():
    backbone = tiny()
    waken(backbone)
    batch, targets = backbone.collate(MIXED)
    cross_entropy(backbone.module(batch), targets).backward()
    idle = [n for n, p in backbone.module.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []
    assert all(p.grad is None for p in backbone.model.parameters() if not p.requires_grad)


def test_train_and_eval_reach_the_model():
    backbone = tiny()
    backbone.module.eval()
    assert not any(module.training for module in backbone.model.modules())
    assert not backbone.module.training
    backbone.module.train()
    assert all(module.training for module in backbone.model.modules())


def test_to_reaches_the_model():
    backbone = tiny()
    backbone.module.to(torch.float64)
    assert {p.dtype for p in backbone.model.parameters()} == {torch.float64}


def test_a_deep_copy_shares_what_is_frozen_and_copies_what_is_trained():
    backbone = tiny()
    waken(backbone)
    batch, targets = backbone.collate(MIXED)
    twin = copy.deepcopy(backbone.module)
    assert twin.state_dict().keys() == backbone.module.state_dict().keys()
    with torch.no_grad():
        before = backbone.module(batch)
        torch.testing.assert_close(twin(batch), before)
    optimizer = torch.optim.SGD(backbone.module.parameters(), lr=1.0)
    cross_entropy(backbone.module(batch), targets).backward()
    optimizer.step()
    with torch.no_grad():
        torch.testing.assert_close(twin(batch), before)
        assert not torch.allclose(backbone.module(batch), before)
    frozen = {p.data_ptr() for p in backbone.model.parameters() if not p.requires_grad}
    copied = {p.data_ptr() for p in twin._model.parameters() if not p.requires_grad}
    assert frozen == copied


def test_freezing_a_copy_leaves_its_names(plain):
    teacher = copy.deepcopy(plain.module)
    for parameter in teacher.parameters():
        parameter.requires_grad = False
    assert len(list(teacher.parameters())) == len(list(plain.module.parameters())) > 0
    assert all(parameter.requires_grad for parameter in plain.module.parameters())


def test_a_state_that_does_not_fit_changes_nothing(plain):
    before = plain.trainable_state()
    other = {name: torch.ones_like(value) for name, value in before.items()}
    name = next(iter(other))
    for wrong in (
        {n: v for n, v in other.items() if n != name},
        {**other, "unknown": torch.ones(1)},
        {**other, name: torch.ones(3)},
    ):
        with pytest.raises(ModelError, match="does not fit"):
            plain.load_trainable_state(wrong)
    assert all(torch.equal(v, before[n]) for n, v in plain.trainable_state().items())
