"""What the continual tests share: a toy backbone, samples, and Avalanche's own EWC."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import numpy as np
import torch
from avalanche.training.plugins import (
    EWCPlugin,
    MASPlugin,
    RWalkPlugin,
    SynapticIntelligencePlugin,
)
from lora_cases import LoRALinear
from torch import Tensor, nn

from transferlab.config.pipeline import StrategySpec, TrainSection
from transferlab.continual.components.gradients import gradient
from transferlab.continual.components.strategy import Strategy
from transferlab.continual.engine.learner import Learner
from transferlab.continual.engine.trainer import MLLMTrainer
from transferlab.core.batch import Batch
from transferlab.core.protocols import ExpertLayer, SplitWeight
from transferlab.core.records import Prediction, Sample

VOCABULARY, WIDTH, END = 32, 12, 1
A, B = "layer.lora_A.default.weight", "layer.lora_B.default.weight"
EXPERTS = 4
HIGH = 3
"""Directions of a split weight that are preserved from the start, of 12."""


class OnePass:
    """What strategies ask of a backbone's view beside its logits: every batch goes through once."""

    def forward_count(self, batch: Batch) -> int:
        return 1

    def at_answers(self, outputs: Sequence[Tensor], batch: Batch) -> Tensor:
        (output,) = outputs
        return output[batch.labels[:, -output.shape[1] :] != -100]


class ToyModel(OnePass, nn.Module):
    """Adds a bag of earlier tokens to each position; two trainable linear layers, as in LoRA."""

    def __init__(self, dtype: torch.dtype, dropout: float) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            self.embedding = nn.Embedding(VOCABULARY, WIDTH, dtype=dtype)
            self.down = nn.Linear(WIDTH, 4, bias=False, dtype=dtype)
            self.up = nn.Linear(4, WIDTH, bias=False, dtype=dtype)
            self.head = nn.Linear(WIDTH, VOCABULARY, dtype=dtype)
        self.dropout = nn.Dropout(dropout)
        self.embedding.requires_grad_(False)
        self.head.requires_grad_(False)

    @property
    def output_layer(self) -> nn.Module:
        return self.head

    def forward(self, batch: Batch) -> Tensor:
        shown = self.embedding(batch.input_ids) * batch.attention_mask[..., None]
        hidden = shown.cumsum(dim=1).tanh()
        hidden = hidden + self.up(self.dropout(self.down(hidden).tanh()))
        return self.head(hidden)[batch.labels != -100]

    def named_parameters(self, *args, **kwargs):
        for name, parameter in super().named_parameters(*args, **kwargs):
            if parameter.requires_grad:
                yield name, parameter


class ToyBackbone:
    """What ``Learner`` uses of ``core.protocols.Backbone``."""

    name = "toy"
    max_length_tokens = 10**6

    def length_tokens(self, sample: Sample) -> int:
        return len(sample.prompt) + len(sample.answer)

    device = torch.device("cpu")

    def __init__(self, dtype: torch.dtype = torch.float32, dropout: float = 0.0) -> None:
        self.learning_rate_factors: dict[str, float] = {}
        self.module = ToyModel(dtype, dropout)
        self.trainable_parameters = sum(p.numel() for p in self.module.parameters())
        self.batches: list[tuple[str, ...]] = []
        """The sample ids of every collated batch."""

    def collate(self, samples: Sequence[Sample]) -> tuple[Batch, Tensor]:
        rows = [(tokens(sample.prompt), [*tokens(sample.answer), END]) for sample in samples]
        width = max(len(prompt) + len(answer) - 1 for prompt, answer in rows)
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
        for at, (prompt, answer) in enumerate(rows):
            row = torch.tensor(prompt + answer[:-1])
            ids[at, -len(row) :], mask[at, -len(row) :] = row, 1
            labels[at, -len(answer) :] = torch.tensor(answer)
        names = tuple(sample.id for sample in samples)
        self.batches.append(names)
        batch = Batch(
            input_ids=ids,
            attention_mask=mask,
            labels=labels,
            media={},
            media_rows=(0,) * len(rows),
            sample_ids=names,
        )
        return batch, batch.targets()

    def trainable_state(self) -> dict[str, Tensor]:
        return {name: p.detach().clone() for name, p in self.module.named_parameters()}

    def load_trainable_state(self, state: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.module.named_parameters():
                parameter.copy_(state[name])


class LoRAModel(ToyModel):
    """The toy with peft's names: rank 4, the second matrix zero at first."""

    def __init__(self, dtype, dropout):
        super().__init__(dtype, dropout)
        torch.nn.init.zeros_(self.up.weight)

    def named_parameters(self, *args, **kwargs):
        names = {"down.weight": A, "up.weight": B}
        for name, parameter in super().named_parameters(*args, **kwargs):
            yield names[name], parameter


class LoRABackbone(ToyBackbone):
    def __init__(self, dtype=torch.float64):
        super().__init__(dtype)
        self.module = LoRAModel(dtype, 0.0)


class Gated(nn.Module):
    """Four experts of rank two."""

    def __init__(self, dtype):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(6)
            self.down = nn.Linear(WIDTH, 2 * EXPERTS, bias=False, dtype=dtype)
        self.gate = nn.Linear(WIDTH, EXPERTS, bias=False, dtype=dtype)
        nn.init.zeros_(self.gate.weight)

    def forward(self, x):
        weights = self.gate(x).softmax(-1).repeat_interleave(2, dim=-1)
        return EXPERTS * weights * self.down(x)


class ExpertBackbone(ToyBackbone):
    def __init__(self, dtype=torch.float64):
        super().__init__(dtype)
        self.module = ToyModel(dtype, 0.0)
        self.module.down = Gated(dtype)
        self.module.up = nn.Linear(2 * EXPERTS, WIDTH, bias=False, dtype=dtype)
        nn.init.zeros_(self.module.up.weight)

    def expert_layers(self):
        inside = self.module.down
        return [ExpertLayer(inside.down.weight, self.module.up.weight, inside.gate.weight)]


class SplitLayer(nn.Module):
    """A square linear layer, its weight taken apart."""

    def __init__(self, dtype):
        super().__init__()
        weight = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(3), dtype=dtype)
        u, s, v = torch.linalg.svd(weight)
        self.u_high, self.v_high = u[:, :HIGH], v[:HIGH]
        self.preserved = self.u_high * s[:HIGH] @ self.v_high
        self.left, self.scale = nn.Parameter(u[:, HIGH:].clone()), nn.Parameter(s[HIGH:].clone())
        self.right = nn.Parameter(v[HIGH:].clone())

    @property
    def learned(self):
        return (self.left * self.scale @ self.right).detach()

    def forward(self, x):
        return x @ (self.preserved + self.left * self.scale @ self.right).T


class SplitModel(ToyModel):
    def __init__(self, dtype, dropout):
        super().__init__(dtype, dropout)
        self.down, self.up = SplitLayer(dtype), nn.Identity()


class SplitBackbone(ToyBackbone):
    def __init__(self, dtype=torch.float64):
        super().__init__(dtype)
        self.module = SplitModel(dtype, 0.0)

    def split_weights(self):
        one = self.module.down
        return [
            SplitWeight(
                one.left,
                one.scale,
                one.right,
                lambda columns: columns - one.u_high @ (one.u_high.T @ columns),
                lambda rows: rows - (rows @ one.v_high.T) @ one.v_high,
            )
        ]


class AnyBackbone(ToyBackbone):
    """Does in a simple way what single strategies ask of a backbone."""

    def merge(self, tensors, *, method, weights, density):
        return [sum(w * one for w, one in zip(weights, ones, strict=True)) for ones in tensors]

    def generate(self, samples, *, batch_samples, max_new_tokens):
        return [Prediction(sample=sample, text="clear") for sample in samples]

    def features(self, samples, *, batch_samples):
        rows = [[len(one.prompt), len(one.answer), len(one.id)] for one in samples]
        found = np.array(rows, dtype=np.float32)
        return SimpleNamespace(joint=found, image=found[:, :1], text=found[:, 1:])


class AdaptedBackbone(AnyBackbone):
    """One layer with LoRA of rank 4 on it."""

    def __init__(self, dtype=torch.float64):
        super().__init__(dtype)
        self.module = ToyModel(dtype, 0.0)
        self.module.down, self.module.up = LoRALinear(WIDTH, dtype), nn.Identity()

    def lora_layers(self):
        return [self.module.down.as_layer("down")]


class TwoBlockBackbone(AdaptedBackbone):
    """Two layers with LoRA, each a block of its own."""

    def __init__(self, dtype=torch.float64):
        super().__init__(dtype)
        self.module.up = LoRALinear(WIDTH, dtype)

    def lora_layers(self):
        blocks = (self.module.down, self.module.up)
        return [one.as_layer(f"layers.{at}.linear") for at, one in enumerate(blocks)]


class MixtureBackbone(ExpertBackbone, AnyBackbone):
    """Experts, and features."""


BACKBONES = {
    "o_lora": LoRABackbone,
    "inflora": AdaptedBackbone,
    "keeplora": AdaptedBackbone,
    "reglora": AdaptedBackbone,
    "hide": TwoBlockBackbone,
    "moe_lora": ExpertBackbone,
    "cl_moe": MixtureBackbone,
    "osf": SplitBackbone,
}
"""Of the strategies that need an adapter of their own."""


def tokens(text: str) -> list[int]:
    digests = [hashlib.sha256(word.encode()).digest()[0] for word in text.split()]
    return [2 + digest % (VOCABULARY - 2) for digest in digests]


def make_samples(domain: str, count: int) -> list[Sample]:
    """Three labels, answers of one to three words, so that batches are ragged."""
    labels = ["clear", "fluid level", "heart too large"]
    return [
        Sample(
            id=f"{domain}-{i}",
            domain=domain,
            task="finding",
            kind="classify",
            media=(),
            prompt=f"{domain} view {i % 5} note {i} shows",
            answer=labels[i % 3],
            choices=tuple(labels),
            group=f"{domain}-{i}",
        )
        for i in range(count)
    ]


class StockEWC(Strategy, EWCPlugin):
    """Avalanche's own, its penalty in the loss."""


class StockSI(Strategy, SynapticIntelligencePlugin):
    """Likewise."""


@torch.no_grad()
def copied_weights(model, target, excluded_parameters) -> None:
    """What SynapticIntelligencePlugin.extract_weights should do on a CPU too.

    There its "copies" are the live parameters, so that no parameter ever seems to have moved.
    """
    for name, parameter in SynapticIntelligencePlugin.allowed_parameters(
        model, excluded_parameters
    ):
        target[name].data = parameter.detach().clone().flatten()


class StockMAS(Strategy, MASPlugin):
    """Likewise."""


class StockRWalk(Strategy, RWalkPlugin):
    """Likewise."""


def learner_with(plugin, backbone, **section) -> Learner:
    """A learner whose one strategy is a given plugin; one epoch, nothing clipped."""
    train = TrainSection(
        **{"epochs": 1, "batch_samples": 4, "learning_rate": 2e-3, "max_grad_norm": None, **section}
    )
    learner = Learner(backbone, [StrategySpec(name="naive")], train, seed=0)
    learner._strategies = [plugin]
    learner._trainer = MLLMTrainer(backbone=backbone, train=train, strategies=[plugin])
    return learner


def with_gradient(learner, batch):
    """Give the learner's parameters the gradient of a batch, as a step would."""
    template = learner._trainer
    _, found = gradient(template, batch)
    for parameter, value in zip(template.trainable, found, strict=True):
        parameter.grad = value.clone()
    return [parameter.grad for parameter in template.trainable]
