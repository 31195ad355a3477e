"""What strategies' passes beside training keep in memory, against a step on as many samples.

    python benchmarks/extra_passes.py [--model transferlab/tiny] [--samples 16] [--precision none]

With gradient checkpointing. Per pass: the tensors that autograd keeps at once and their bytes, and
the most that operations had allocated at once; each as a multiple of a training step's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import count
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

from transferlab.backbone.loader import load_backbone
from transferlab.config.backbone import BackboneSection
from transferlab.config.pipeline import StrategySpec, TrainSection
from transferlab.continual.components.gradients import gradient
from transferlab.continual.engine.learner import Learner
from transferlab.core.records import MediaRef, Sample

PASSES: dict[str, dict[str, object]] = {
    "ewc, exact Fisher": {"ewc": {}},
    "ewc, Fisher of batches": {"ewc": {"fisher": "batch"}},
    "ewc, strength auto": {"ewc": {"strength": "auto"}},
    "mas": {"mas": {}},
    "gss": {"gss": {"memory_samples": 4}},
    "der": {"der": {"memory_samples": 4}},
}


class Watched:
    """The most that autograd kept and operations allocated at once while ``work`` ran."""

    def __init__(self, work: Callable[[], object], weights: set[int]) -> None:
        self.tensors = self.saved_bytes = 0
        self._alive: WeakValueDictionary[int, _Kept] = WeakValueDictionary()
        self._weights, self._numbers = weights, count()
        with (
            torch.profiler.profile(
                activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
            ) as profile,
            torch.autograd.graph.saved_tensors_hooks(self._pack, lambda kept: kept.tensor),
        ):
            work()
        events = profile.profiler.kineto_results.events()  # type: ignore[union-attr]
        changes = [e.nbytes() for e in events if e.name() == "[memory]"]
        self.allocated_bytes = int(np.cumsum(changes).max(initial=0))

    def _pack(self, tensor: Tensor) -> _Kept:
        kept = _Kept(tensor)
        self._alive[next(self._numbers)] = kept
        found = {k.tensor.untyped_storage().data_ptr(): k for k in self._alive.values()}
        own = {at: k for at, k in found.items() if at not in self._weights}
        size = sum(k.tensor.untyped_storage().nbytes() for k in own.values())
        self.tensors, self.saved_bytes = max(self.tensors, len(own)), max(self.saved_bytes, size)
        return kept


class _Kept:
    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def picture_samples(domain: str, number: int) -> list[Sample]:
    return [
        Sample(
            id=f"{domain}-{at}", domain=domain, task="finding", kind="answer",
            media=(MediaRef(kind="image", path=Path(f"{at}.png"), frames=1),),
            prompt="<image>\nWhich finding does the image show?", answer="pleural effusion",
            group=f"{domain}-{at}",
        )
        for at in range(number)
    ]  # fmt: skip


def noise(ref: MediaRef) -> list[np.ndarray]:
    random = np.random.default_rng(int(ref.path.stem))
    return [random.integers(0, 256, (90, 120, 3), dtype=np.uint8)]


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--model", default="transferlab/tiny")
    given.add_argument("--samples", type=int, default=16)
    given.add_argument("--precision", default="none", choices=["none", "bfloat16", "float16"])
    given.add_argument("--keep", action="store_true", help="no gradient checkpointing")
    asked = given.parse_args()
    section = BackboneSection(model=asked.model, gradient_checkpointing=not asked.keep)
    backbone = load_backbone(section, decode=noise, seed=0)
    weights = {p.untyped_storage().data_ptr() for p in backbone.model.parameters()}
    samples = picture_samples("x", asked.samples)
    train = TrainSection(batch_samples=asked.samples, mixed_precision=asked.precision)

    def learner_of(entry: dict[str, object]) -> Learner:
        ((name, options),) = entry.items()
        spec = StrategySpec(name=name, options=options)
        return Learner(backbone, [spec], train, seed=0)

    naive = learner_of({"naive": {}})
    backbone.module.train()
    batch = backbone.collate(samples)[0].to(backbone.device)
    step = Watched(lambda: gradient(naive._trainer, batch), weights)
    report("a training step", step, step)
    backbone.module.eval()
    work = lambda: naive.interference(samples, {"y": samples})  # noqa: E731
    report("interference", Watched(work, weights), step)
    for title, entry in PASSES.items():
        learner = learner_of(entry)
        work = lambda learner=learner: learner.consolidate(samples, domain="x")  # noqa: E731
        report(title, Watched(work, weights), step)


def report(title: str, seen: Watched, step: Watched) -> None:
    print(
        f"| {title} | {seen.tensors} | {seen.saved_bytes / 1e6:.1f} | "
        f"{seen.saved_bytes / step.saved_bytes:.2f} | {seen.allocated_bytes / 1e6:.1f} | "
        f"{seen.allocated_bytes / step.allocated_bytes:.2f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
