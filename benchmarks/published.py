"""Published settings of Avalanche's baselines, in our engine and in stock Avalanche, on few images.

The published figures are on all of MNIST (60,000 images to train on, 10,000 to test on); here there
are 8,000 and 2,000, so what should come out is their order and their spread, not their digits. Both
start from the same network; each shuffles and fills its memory itself, so they agree as two seeds
do (benchmarks/parity.py is the comparison digit by digit).

    TRANSFERLAB_DATA=... python benchmarks/published.py [--only ewc si] [--seeds 0 1] [--epochs 75]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import torch
from avalanche.benchmarks.scenarios.dataset_scenario import DatasetExperience
from avalanche.benchmarks.utils import _make_taskaware_tensor_classification_dataset
from avalanche.core import SupervisedPlugin
from avalanche.training.plugins import (
    AGEMPlugin,
    EWCPlugin,
    GDumbPlugin,
    LwFPlugin,
    ReplayPlugin,
    RWalkPlugin,
    SynapticIntelligencePlugin,
)
from avalanche.training.storage_policy import ClassBalancedBuffer
from avalanche.training.templates import SupervisedTemplate
from mnist import Split, batch_of, load_mnist, real_copies, sample_of
from report import mean_and_spread
from torch import Tensor, nn

from transferlab.config.pipeline import StrategySpec, TrainSection
from transferlab.continual.avalanche_api import silent_evaluator
from transferlab.continual.engine.learner import Learner
from transferlab.continual.engine.optimizer import build_optimizer
from transferlab.core.batch import Batch
from transferlab.core.records import Sample


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """One line of the published table."""

    published: float
    stream: str
    """permuted, split (class-incremental) or heads (task-incremental: an output per task)."""
    ours: Mapping[str, Mapping[str, Any]]
    stock: Callable[[], SupervisedPlugin]
    train: Mapping[str, Any]
    widths: tuple[int, ...] = (256, 256)
    experiences: int = 5
    strengths: tuple[float, ...] = ()
    """Per experience, where they change."""
    assumed: str = ""
    """Which settings the publication's table leaves open, and what is taken."""


ADAM = {"optimizer": "adamw", "learning_rate": 1e-3, "batch_samples": 64, "epochs": 10}
BASELINES = {
    "ewc": Baseline(
        published=0.83,
        stream="permuted",
        experiences=10,
        ours={"ewc": {"strength": 1.0, "mode": "separate", "fisher": "batch"}},
        stock=lambda: EWCPlugin(ewc_lambda=1.0),
        train={"optimizer": "sgd", "learning_rate": 1e-3, "batch_samples": 256, "epochs": 10},
        widths=(512,),
    ),
    "si": Baseline(
        published=0.97,
        stream="heads",
        ours={"si": {"strength": 0.5, "variant": "avalanche"}},
        stock=lambda: SynapticIntelligencePlugin(si_lambda=1.0),
        train=ADAM,
    ),
    "rwalk": Baseline(
        published=0.99,
        stream="heads",
        ours={"rwalk": {"strength": 0.1, "alpha": 0.9, "score_every_steps": 10}},
        stock=lambda: RWalkPlugin(ewc_lambda=0.1, ewc_alpha=0.9, delta_t=10),
        train=ADAM,
        assumed="network and training of SI's",
    ),
    "lwf": Baseline(
        published=0.23,
        stream="split",
        ours={"lwf": {"temperature": 2.0, "tokens": "answered"}},
        stock=lambda: LwFPlugin(alpha=[0.0, 0.5, 1.33, 2.25, 3.2], temperature=2.0),
        train={"optimizer": "sgd", "learning_rate": 1e-3, "batch_samples": 128, "epochs": 21},
        widths=(200,),
        strengths=(1.0, 0.5, 1.33, 2.25, 3.2),  # the first domain has no model before it
    ),
    "gdumb": Baseline(
        published=0.97,
        stream="split",
        ours={"gdumb": {"memory_samples": 4400}},
        stock=lambda: GDumbPlugin(mem_size=4400),
        train={**ADAM, "epochs": 20},
        assumed="network of SI's, Adam, 20 epochs",
    ),
    "replay": Baseline(
        published=0.92,
        stream="split",
        ours={"replay": {"memory_samples": 1000, "policy": "class_balanced"}},
        stock=lambda: ReplayPlugin(mem_size=1000, storage_policy=ClassBalancedBuffer(1000)),
        train={"optimizer": "sgd", "learning_rate": 0.05, "batch_samples": 10, "epochs": 1},
        assumed="network of SI's, SGD 0.05, batches of 10",
    ),
    "agem": Baseline(
        published=0.81,
        stream="permuted",
        experiences=17,
        ours={"agem": {"samples_per_domain": 250, "memory_batch_samples": 256}},
        stock=lambda: AGEMPlugin(patterns_per_experience=250, sample_size=256),
        train={"optimizer": "sgd", "learning_rate": 0.1, "batch_samples": 10, "epochs": 1},
        assumed="network of SI's, SGD 0.1, batches of 10, 256 memory samples a step",
    ),
}


class Net(nn.Module):
    """A perceptron on batches of images, each with the experience that it belongs to."""

    def __init__(self, widths: tuple[int, ...], *, heads: bool) -> None:
        super().__init__()
        sizes = (784, *widths)
        layers = [
            part for given, made in pairwise(sizes) for part in (nn.Linear(given, made), nn.ReLU())
        ]
        self.body, self.head = nn.Sequential(*layers), nn.Linear(sizes[-1], 10)
        self._heads = heads

    @property
    def output_layer(self) -> nn.Module:
        return self.head

    def forward(self, batch: Batch | Tensor) -> Tensor:
        """Logits; stock Avalanche's batches have the experience's index before the pixels."""
        if isinstance(batch, Batch):
            experiences, pixels = batch.input_ids, batch.media["pixels"]
        else:
            experiences, pixels = batch[:, :1], batch[:, 1:]
        logits = self.head(self.body(pixels))
        if not self._heads:
            return logits
        mine = torch.arange(10) // 2 == experiences  # two digits belong to each task
        return logits.masked_fill(~mine, -1e4)


class Images:
    """What ``Learner`` needs of a backbone; a sample's id is its row and its experience."""

    name, device = "mlp", torch.device("cpu")
    learning_rate_factors: ClassVar[Mapping[str, float]] = {}

    def __init__(self, baseline: Baseline, split: Split, *, seed: int) -> None:
        torch.manual_seed(seed)
        self.module = Net(baseline.widths, heads=baseline.stream == "heads")
        self._split = split
        self.trainable_parameters = sum(p.numel() for p in self.module.parameters())
        self.total_parameters = self.trainable_parameters
        orders = [torch.arange(784)] + [torch.randperm(784) for _ in range(baseline.experiences)]
        self._orders = orders if baseline.stream == "permuted" else orders[:1] * len(orders)

    def collate(self, samples: list[Sample]) -> tuple[Batch, Tensor]:
        rows, experiences = zip(*(map(int, s.id.split("/")) for s in samples), strict=True)
        digits = self._split.digits[list(rows)]
        order = torch.stack([self._orders[one] for one in experiences])
        pixels = self._split.images[list(rows)].gather(1, order)
        batch = batch_of(samples, pixels, digits, experiences=experiences)
        return batch, digits


def experiences_of(baseline: Baseline, split: Split) -> Iterator[tuple[list[int], list[int]]]:
    """Per experience: the rows to train on, and those to test on."""
    if baseline.stream == "permuted":
        everything = list(range(split.train)), list(range(split.train, len(split.digits)))
        yield from (everything for _ in range(baseline.experiences))
    else:
        yield from zip(split.experiences(), split.tests(), strict=True)


def settings(baseline: Baseline) -> TrainSection:
    return TrainSection(
        **baseline.train, schedule="constant", warmup_fraction=0, max_grad_norm=None
    )


def made(split: Split, rows: list[int], index: int) -> list[Sample]:
    digits = split.digits[rows].tolist()
    found = [sample_of(row, digit, index) for row, digit in zip(rows, digits, strict=True)]
    return [Sample(**{**vars(one), "id": f"{one.id}/{index}"}) for one in found]


@torch.no_grad()
def accuracy(net: nn.Module, images: Images, baseline: Baseline, split: Split) -> float:
    """The mean over the experiences' test images."""
    right = []
    for index, (_, rows) in enumerate(experiences_of(baseline, split)):
        batch, digits = images.collate(made(split, rows, index))
        right.append(float((net.eval()(batch).argmax(dim=1) == digits).float().mean()))
    return sum(right) / len(right)


def run(baseline: Baseline, split: Split, *, seed: int) -> float:
    """The accuracy at the end with our engine."""
    images = Images(baseline, split, seed=seed)
    specs = [StrategySpec(name=name, options=dict(o)) for name, o in baseline.ours.items()]
    learner = Learner(images, specs, settings(baseline), seed=seed)
    for index, (rows, _) in enumerate(experiences_of(baseline, split)):
        if baseline.strengths:
            plugin = learner._strategies[0]
            changed = {"strength": baseline.strengths[index]}
            plugin.options = plugin.options.model_copy(update=changed)
        learner.train(made(split, rows, index), domain=f"split-{index}", stage=str(index))
    return accuracy(images.module, images, baseline, split)


def run_stock(baseline: Baseline, split: Split, *, seed: int) -> float:
    """The same with Avalanche's own template, plugin, memory and datasets."""
    images, train = Images(baseline, split, seed=seed), settings(baseline)
    plugin = baseline.stock()
    template = SupervisedTemplate(
        model=images.module,
        optimizer=build_optimizer(
            list(images.module.parameters()), train, learning_rate=train.learning_rate
        ),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=train.batch_samples,
        train_epochs=train.epochs,
        plugins=[plugin],
        evaluator=silent_evaluator(),
    )
    for index, (rows, _) in enumerate(experiences_of(baseline, split)):
        batch, digits = images.collate(made(split, rows, index))
        told = torch.cat([batch.input_ids.float(), batch.media["pixels"]], dim=1)
        dataset = _make_taskaware_tensor_classification_dataset(
            told, digits, task_labels=0, targets=digits.tolist()
        )
        template.train(DatasetExperience(dataset=dataset, current_experience=index), [])
    return accuracy(template.model, images, baseline, split)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=BASELINES, default=list(BASELINES))
    parser.add_argument("--train", type=int, default=8000)
    parser.add_argument("--test", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, help="instead of the published ones")
    given = parser.parse_args()
    # On a CPU its copies are no copies, and it has no effect.
    SynapticIntelligencePlugin.extract_weights = staticmethod(real_copies)
    folder = Path(os.environ["TRANSFERLAB_DATA"]) / "mnist-10k"
    split = load_mnist(folder, train=given.train, test=given.test)
    print("| strategy | stream | published | stock here | ours here | seconds, stock and ours |")
    print("|---|---|---|---|---|---|")
    for name in given.only:
        baseline, reached, seconds = BASELINES[name], [], []
        if given.epochs is not None:
            changed = {**baseline.train, "epochs": given.epochs}
            baseline = replace(baseline, train=changed)
        for act in (run_stock, run):
            started = time.process_time()
            found = [act(baseline, split, seed=seed) for seed in given.seeds]
            seconds.append(f"{(time.process_time() - started) / len(found):.0f}")
            reached.append(mean_and_spread(found))
        cells = [name, baseline.stream, f"{baseline.published:.2f}", *reached, ", ".join(seconds)]
        print(f"| {' | '.join(cells)} |", flush=True)
    for name in given.only:
        if BASELINES[name].assumed:
            print(f"{name}: taken where nothing is said: {BASELINES[name].assumed}")


if __name__ == "__main__":
    main()
