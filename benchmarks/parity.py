"""Our template and strategies beside stock Avalanche's: the same stream, model, seed and batches.

MNIST's digits come two by two (Split-MNIST, class-incremental). Our engine trains an MLP through
its batch contract and writes down its batches; stock Avalanche, with its own template, plugin and
datasets, trains a copy of the MLP on these. Printed are the largest difference of any step's task
loss and both final accuracies. Run it from the repository's root:

    TRANSFERLAB_DATA=... python benchmarks/parity.py [--train 8000] [--test 2000]

Stock's memories draw their samples themselves; where a strategy has one, its memory batches are
those of ours as well, so that what is compared is what is done with them. Stock's synaptic
intelligence has no effect on a CPU, because its copies are the live parameters; it is compared with
those copies made real.
"""

from __future__ import annotations

import argparse
import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from avalanche.benchmarks.scenarios.dataset_scenario import DatasetExperience
from avalanche.benchmarks.utils import _make_taskaware_tensor_classification_dataset
from avalanche.core import SupervisedPlugin
from avalanche.training.plugins import (
    AGEMPlugin,
    EWCPlugin,
    LwFPlugin,
    MASPlugin,
    ReplayPlugin,
    RWalkPlugin,
    SynapticIntelligencePlugin,
)
from avalanche.training.templates import SupervisedTemplate
from mnist import Split, batch_of, load_mnist, real_copies, sample_of
from torch import Tensor, nn

from transferlab.config.pipeline import StrategySpec, TrainSection
from transferlab.continual.avalanche_api import silent_evaluator
from transferlab.continual.engine.learner import Learner
from transferlab.continual.engine.optimizer import build_optimizer
from transferlab.core.batch import Batch
from transferlab.core.records import Sample

BATCH, EPOCHS, RATE = 64, 1, 0.1
TRAIN = TrainSection(
    epochs=EPOCHS,
    batch_samples=BATCH,
    learning_rate=RATE,
    optimizer="sgd",
    schedule="constant",
    warmup_fraction=0,
    max_grad_norm=None,
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A strategy of ours and stock's of the same meaning."""

    name: str
    ours: dict[str, dict[str, Any]]
    stock: Callable[[], list[SupervisedPlugin]]


CASES = [
    Case(name="naive", ours={"naive": {}}, stock=list),
    Case(
        name="ewc separate",
        ours={"ewc": {"strength": 5.0, "mode": "separate", "fisher": "batch"}},
        stock=lambda: [EWCPlugin(ewc_lambda=5.0)],
    ),
    Case(
        name="ewc online",
        ours={"ewc": {"strength": 5.0, "mode": "online", "decay": 0.9, "fisher": "batch"}},
        stock=lambda: [EWCPlugin(ewc_lambda=5.0, mode="online", decay_factor=0.9)],
    ),
    Case(
        name="si",
        ours={"si": {"strength": 50.0, "variant": "avalanche"}},
        stock=lambda: [SynapticIntelligencePlugin(si_lambda=100.0)],
    ),
    Case(
        name="mas",
        ours={"mas": {"strength": 0.02, "alpha": 0.5, "variant": "avalanche"}},
        stock=lambda: [MASPlugin(lambda_reg=0.02, alpha=0.5)],
    ),
    Case(
        name="rwalk",
        ours={"rwalk": {"strength": 1.0, "alpha": 0.9, "score_every_steps": 2}},
        stock=lambda: [RWalkPlugin(ewc_lambda=1.0, ewc_alpha=0.9, delta_t=2)],
    ),
    Case(
        name="lwf",
        ours={"lwf": {"strength": 2.0, "temperature": 2.0, "tokens": "answered"}},
        stock=lambda: [LwFPlugin(alpha=2.0, temperature=2.0)],
    ),
    Case(
        name="replay",
        ours={"replay": {"memory_samples": 200}},
        stock=lambda: [ReplayPlugin(mem_size=200)],
    ),
    Case(
        name="agem",
        ours={"agem": {"samples_per_domain": 100, "memory_batch_samples": 64}},
        stock=lambda: [AGEMPlugin(patterns_per_experience=100, sample_size=64)],
    ),
]


@dataclass(kw_only=True)
class Outcome:
    """One training: the task loss of every step, the accuracy per experience, and the batches."""

    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    batches: list[list[list[int]]] = field(default_factory=list)
    """Per experience and step: the rows of the images."""
    memory: list[list[int]] = field(default_factory=list)


class MLP(nn.Module):
    """784 - 100 - 10, on images, or on our batches of images."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(784, 100), nn.Linear(100, 10)

    @property
    def output_layer(self) -> nn.Module:
        return self.head

    def forward(self, x: Tensor | Batch) -> Tensor:
        pixels = x.media["pixels"] if isinstance(x, Batch) else x
        return self.head(self.hidden(pixels).relu())


class PixelBackbone:
    """What ``Learner`` needs of a backbone: each image is a sample with an answer of one token."""

    name, device = "mlp", torch.device("cpu")

    def __init__(self, module: MLP, split: Split) -> None:
        self.module, self._split = module, split
        self.learning_rate_factors: dict[str, float] = {}
        self.trainable_parameters = sum(p.numel() for p in module.parameters())
        self.total_parameters = self.trainable_parameters

    def collate(self, samples: Sequence[Sample]) -> tuple[Batch, Tensor]:
        rows = [int(sample.id) for sample in samples]
        digits = self._split.digits[rows]
        pixels = self._split.images[rows]
        batch = batch_of(samples, pixels, digits, experiences=[0] * len(rows))
        return batch, digits


class Notes(SupervisedPlugin):
    """Writes down our steps' images."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self._outcome = outcome

    def before_training_exp(self, strategy, **kwargs) -> None:
        self._outcome.batches.append([])

    def before_training_iteration(self, strategy, **kwargs) -> None:
        self._outcome.batches[-1].append([int(name) for name in strategy.mb_x.sample_ids])


def accuracy(module: nn.Module, split: Split, rows: Sequence[int]) -> float:
    with torch.no_grad():
        said = module(split.images[rows]).argmax(dim=1)
    return float((said == split.digits[rows]).float().mean())


def run_ours(case: Case, start: MLP, split: Split, *, seed: int) -> Outcome:
    outcome, backbone = Outcome(), PixelBackbone(copy.deepcopy(start), split)
    specs = [StrategySpec(name=name, options=options) for name, options in case.ours.items()]
    learner = Learner(backbone, specs, TRAIN, seed=seed)
    learner._trainer.plugins.insert(0, Notes(outcome))
    plugin = learner._strategies[0]
    if case.name == "agem":
        draw = plugin.sample

        def noted(strategy):
            batch = draw(strategy)
            outcome.memory.append([int(name) for name in batch.sample_ids])
            return batch

        plugin.sample = noted
    for index, rows in enumerate(split.experiences()):
        samples = [sample_of(row, int(split.digits[row]), index) for row in rows]
        report = learner.train(samples, domain=f"split-{index}", stage=str(index))
        outcome.losses += report.losses
    outcome.accuracies = [accuracy(backbone.module, split, rows) for rows in split.tests()]
    return outcome


class GivenBatches(SupervisedPlugin):
    """Comes after the strategy's plugin: puts in our batches, and notes the task losses."""

    def __init__(self, split: Split, given: Outcome, outcome: Outcome) -> None:
        super().__init__()
        self._split, self._given, self._outcome = split, given, outcome

    def before_training_exp(self, strategy, **kwargs) -> None:
        steps = self._given.batches[strategy.clock.train_exp_counter]
        strategy.dataloader = [self.batch(rows) for rows in steps]

    def batch(self, rows: Sequence[int]) -> list[Tensor]:
        zeros = torch.zeros(len(rows), dtype=torch.long)
        return [self._split.images[rows], self._split.digits[rows], zeros]

    def after_forward(self, strategy, **kwargs) -> None:
        loss = nn.functional.cross_entropy(strategy.mb_output.detach(), strategy.mb_y)
        self._outcome.losses.append(float(loss))


def run_stock(case: Case, start: MLP, split: Split, given: Outcome, *, seed: int) -> Outcome:
    torch.manual_seed(seed)
    outcome, model = Outcome(), copy.deepcopy(start)
    plugins, feed = case.stock(), GivenBatches(split, given, outcome)
    if case.name == "agem":
        memory = iter(given.memory)
        plugins[0].sample_from_memory = lambda: feed.batch(next(memory))
    template = SupervisedTemplate(
        model=model,
        optimizer=build_optimizer(list(model.parameters()), TRAIN, learning_rate=RATE),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=BATCH,
        train_epochs=1,
        plugins=[*plugins, feed],
        evaluator=silent_evaluator(),
    )
    aliased = SynapticIntelligencePlugin.__dict__["extract_weights"]
    SynapticIntelligencePlugin.extract_weights = staticmethod(real_copies)
    try:
        for index, rows in enumerate(split.experiences()):
            digits = split.digits[rows]
            dataset = _make_taskaware_tensor_classification_dataset(
                split.images[rows], digits, task_labels=0, targets=digits.tolist()
            )
            experience = DatasetExperience(dataset=dataset, current_experience=index)
            template.train(experience, eval_streams=[])
    finally:
        SynapticIntelligencePlugin.extract_weights = aliased
    outcome.accuracies = [accuracy(model, split, rows) for rows in split.tests()]
    return outcome


def compare(case: Case, split: Split, *, seed: int) -> tuple[Outcome, Outcome]:
    """Our training and stock's, from the same parameters and on the same batches."""
    torch.manual_seed(seed)
    start = MLP()
    ours = run_ours(case, start, split, seed=seed)
    return ours, run_stock(case, start, split, ours, seed=seed)


def largest_difference(ours: Outcome, stock: Outcome) -> float:
    """Of the task losses of any step."""
    assert len(ours.losses) == len(stock.losses)
    # numpy's maximum, because that of Python would step over a loss that is no number.
    return float(np.max(np.abs(np.array(ours.losses) - np.array(stock.losses))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--train", type=int, default=8000)
    parser.add_argument("--test", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    names = [case.name for case in CASES]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    given = parser.parse_args()
    folder = Path(os.environ["TRANSFERLAB_DATA"]) / "mnist-10k"
    split = load_mnist(folder, train=given.train, test=given.test)
    print("| strategy | steps | largest loss difference | accuracy ours | stock |")
    print("|---|---|---|---|---|")
    for case in (one for one in CASES if one.name in given.only):
        ours, stock = compare(case, split, seed=given.seed)
        cells = [case.name, str(len(ours.losses)), f"{largest_difference(ours, stock):.1e}"]
        cells += [f"{np.mean(one.accuracies):.4f}" for one in (ours, stock)]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
