"""The exact Fisher against its definition, and what one pass can tell apart."""

import pytest
import torch
from continual_cases import VOCABULARY, OnePass, ToyBackbone, learner_with, make_samples
from fisher_cases import brute_force
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from transferlab.continual.components import fisher
from transferlab.continual.components.fisher import exact_fisher
from transferlab.continual.components.quadratic_penalty import flatten
from transferlab.continual.strategies.ewc import EWC, EWCOptions
from transferlab.core.batch import Batch


def batches_of(backbone, samples, size):
    return [backbone.collate(samples[i : i + size])[0] for i in range(0, len(samples), size)]


@pytest.mark.parametrize("size", [1, 4, 23])
def test_the_exact_fisher_is_the_mean_of_squared_per_sample_gradients(xray, size):
    backbone = ToyBackbone()
    expected = brute_force(backbone.module, backbone, xray)
    got = exact_fisher(backbone.module, batches_of(backbone, xray, size))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-9)
    assert all(p.grad is None for p in backbone.module.parameters())


@pytest.mark.parametrize("kind", ["exact", "batch"])
def test_importances_are_measured_without_dropout(xray, kind):
    found = []
    for dropout in (0.0, 0.5):
        plugin = EWC(EWCOptions(fisher=kind), seed=0)
        learner_with(plugin, ToyBackbone(dropout=dropout)).consolidate(xray, domain="xray")
        found.append(plugin._importance)
    assert torch.equal(*found)


def test_matrices_need_one_pass_per_batch_and_other_parameters_one_per_sample(xray):
    backbone = ToyBackbone()
    passes = []
    backbone.module.register_forward_pre_hook(lambda module, args: passes.append(len(args[0])))
    exact_fisher(backbone.module, batches_of(backbone, xray, 8))
    assert passes == [8, 8, 7]
    passes.clear()
    backbone.module.head.bias.requires_grad_(True)
    got = exact_fisher(backbone.module, batches_of(backbone, xray, 8))
    assert passes == [1] * 23
    torch.testing.assert_close(
        got, brute_force(backbone.module, backbone, xray), rtol=1e-4, atol=1e-9
    )


class TiedModel(OnePass, nn.Module):
    """A language model whose embedding is its output layer too, with peft's trainable tokens."""

    def __init__(self, tokens):
        super().__init__()
        torch.manual_seed(3)
        sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1}
        config = LlamaConfig(
            vocab_size=VOCABULARY,
            num_attention_heads=2,
            tie_word_embeddings=True,
            pad_token_id=0,
            **sizes,
        )
        adapter = LoraConfig(
            r=2, target_modules=["q_proj"], trainable_token_indices={"embed_tokens": tokens}
        )
        self.language = get_peft_model(LlamaForCausalLM(config), adapter).eval()
        with torch.no_grad():
            for parameter in self.language.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.1 * torch.randn_like(parameter))

    def named_parameters(self, *args, **kwargs):
        for name, parameter in super().named_parameters(*args, **kwargs):
            if parameter.requires_grad:
                yield name, parameter

    def forward(self, batch):
        read = self.language(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
        return read.logits[batch.labels != -100]


@pytest.mark.parametrize("tokens", [list(range(VOCABULARY)), [9, 4, 17, 0, 30, 2]])
def test_trainable_tokens_are_counted_where_they_are_read_and_where_they_are_said(tokens, xray):
    module, backbone, passes = TiedModel(tokens), ToyBackbone(), []
    expected = brute_force(module, backbone, xray[:6])
    module.register_forward_pre_hook(lambda _, args: passes.append(len(args[0])))
    got = exact_fisher(module, batches_of(backbone, xray[:6], 6))
    assert passes == [6]
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6 * float(expected.max()))
    assert int((expected > 0).sum()) > 0.9 * len(tokens) * 16  # every token is said now and then


def test_an_embedding_is_counted_in_one_pass(xray):
    backbone, passes = ToyBackbone(), []
    backbone.module.embedding.requires_grad_(True)
    expected = brute_force(backbone.module, backbone, xray)
    backbone.module.register_forward_pre_hook(lambda module, args: passes.append(len(args[0])))
    got = exact_fisher(backbone.module, batches_of(backbone, xray, 23))
    assert passes == [23]
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-9)


class MediaModel(OnePass, nn.Module):
    """A trainable layer over media rows, whose sum goes to the sample that each belongs to."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.tower = nn.Linear(3, 6, bias=False)

    def forward(self, batch):
        rows = self.tower(batch.media["pixels"]).tanh().sum(dim=1)
        owner = torch.repeat_interleave(torch.tensor(batch.media_rows))
        logits = rows.new_zeros(len(batch), 6).index_add(0, owner, rows)
        return logits[:, None].expand(-1, batch.labels.shape[1], -1)[batch.labels != -100]


@pytest.mark.parametrize("rows", [(2, 0, 1, 3), (1, 1, 1, 1), (2, 0, 1, 1)])
def test_media_rows_count_for_their_sample(rows):
    text = ToyBackbone().collate(make_samples("xray", 4))[0]
    batch = type(text)(
        input_ids=text.input_ids,
        attention_mask=text.attention_mask,
        labels=text.labels.clamp(max=5),
        media={"pixels": torch.randn(sum(rows), 5, 3, generator=torch.Generator().manual_seed(1))},
        media_rows=rows,
        sample_ids=text.sample_ids,
    )
    module = MediaModel()
    expected = 0
    for one in batch:
        module.zero_grad()
        nn.functional.cross_entropy(module(one), one.targets(), reduction="sum").backward()
        expected = expected + module.tower.weight.grad.square().reshape(-1) / 4
    torch.testing.assert_close(exact_fisher(module, [batch]), expected, rtol=1e-4, atol=1e-9)


def test_drawn_labels_give_the_expectation_under_the_model():
    """Positions are drawn apart, so F sums over positions and tokens: p(v) * gradient(v)^2."""
    backbone = ToyBackbone()
    module, batch = backbone.module, backbone.collate(make_samples("xray", 2))[0]
    expected = 0
    for sample in batch:
        logs = module(sample).log_softmax(-1)
        for position in logs:
            for log in position:
                gradients = torch.autograd.grad(log, list(module.parameters()), retain_graph=True)
                expected = expected + log.exp().detach() * flatten(gradients).square() / len(batch)
    generator = torch.Generator().manual_seed(0)
    copies = Batch.cat([batch] * 300)
    got = exact_fisher(module, [copies] * 5, generator=generator)
    assert float((got - expected).abs().sum() / expected.sum()) < 0.1
    observed = exact_fisher(module, [batch])
    assert float((observed - expected).abs().sum() / expected.sum()) > 0.2


class Regression(OnePass, nn.Module):
    """Softmax regression on given features: its Fisher information is known in closed form."""

    def __init__(self, features):
        super().__init__()
        torch.manual_seed(0)
        self.features = features
        self.layer = nn.Linear(features.shape[1], 5, bias=False)

    def forward(self, batch):
        return self.layer(self.features[batch.input_ids])[batch.labels != -100]


def test_over_all_labels_the_exact_fisher_is_the_analytic_one():
    """One token per sample: F_vj = mean over samples of p_v (1 - p_v) x_j^2."""
    features = torch.randn(7, 3, generator=torch.Generator().manual_seed(1))
    module = Regression(features)
    chances = module.layer(features).softmax(dim=1).detach()
    analytic = (chances * (1 - chances))[:, :, None] * features.square()[:, None, :]
    enumerated = torch.zeros(15)
    for row in range(7):
        for label in range(5):
            batch = Batch(
                input_ids=torch.tensor([[row]]),
                attention_mask=torch.ones(1, 1, dtype=torch.long),
                labels=torch.tensor([[label]]),
                media={},
                media_rows=(0,),
                sample_ids=(str(row),),
            )
            enumerated += chances[row, label] * exact_fisher(module, [batch]) / 7
    expected = analytic.mean(dim=0).reshape(-1)
    torch.testing.assert_close(enumerated, expected, rtol=1e-5, atol=1e-7)


def test_a_model_whose_rows_cannot_be_told_apart_is_measured_one_by_one(xray, monkeypatch):
    backbone = ToyBackbone()
    monkeypatch.setattr(fisher, "uses_of", lambda module, parameters: None)
    got = exact_fisher(backbone.module, batches_of(backbone, xray, 8))
    torch.testing.assert_close(
        got, brute_force(backbone.module, backbone, xray), rtol=1e-4, atol=1e-9
    )
