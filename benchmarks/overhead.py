"""What the engine costs: its optimizer step beside that of a bare PyTorch loop.

Both train the same model on the same batches, in one process, turn by turn, from the same
parameters. The bare loop is what one would write by hand: collate, forward, cross-entropy,
backward, clip, AdamW. Run it from the repository's root:

    python benchmarks/overhead.py [--steps 30] [--rounds 5] [--batch 16]

It prints the ratio of each round and their median; the engine's promise is at most 1.10. On a CPU
it takes the process's own time on one thread: other processes hardly disturb that, and where there
are several threads, those that wait for the others count as busy.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from transferlab.backbone.loader import load_backbone
from transferlab.config.backbone import BackboneSection
from transferlab.config.pipeline import StrategySpec, TrainSection
from transferlab.continual.engine.learner import Learner
from transferlab.core.protocols import Backbone
from transferlab.core.records import MediaRef, Sample

LEARNING_RATE, MAX_GRAD_NORM = 2e-3, 1.0


def noise(ref: MediaRef) -> list[np.ndarray]:
    """A picture that depends on its name only, so that nothing is read from disk."""
    random = np.random.default_rng(int(ref.path.stem))
    return [random.integers(0, 256, (112, 112, 3), dtype=np.uint8)]


def make_samples(count: int) -> list[Sample]:
    findings = ("effusion", "an enlarged heart", "no finding")
    return [
        Sample(
            id=f"sample-{number}",
            domain="noise",
            task="finding",
            kind="classify",
            media=(MediaRef(kind="image", path=Path(f"{number}.png")),),
            prompt="<image>\nNote: cough for three days.\nWhich finding does the image show?",
            answer=findings[number % 3],
            choices=findings,
        )
        for number in range(count)
    ]


def clock(device: torch.device) -> float:
    """Seconds, from an arbitrary zero."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


class Batches:
    """A backbone's ``collate`` that writes down what the engine asked for."""

    def __init__(self, backbone: Backbone) -> None:
        self.orders: list[list[Sample]] = []
        self._collate = backbone.collate

    def __call__(self, samples: Sequence[Sample]):
        self.orders.append(list(samples))
        return self._collate(samples)


def run_engine(backbone: Backbone, samples: Sequence[Sample], *, batch_samples: int) -> float:
    """Seconds of one epoch of naive fine-tuning, the stage's own start and end included."""
    train = TrainSection(
        epochs=1,
        batch_samples=batch_samples,
        learning_rate=LEARNING_RATE,
        max_grad_norm=MAX_GRAD_NORM,
        schedule="constant",
        warmup_fraction=0.0,
    )
    learner = Learner(backbone, [StrategySpec(name="naive")], train, seed=0)
    started = clock(backbone.device)
    learner.train(samples, domain="noise", stage="overhead")
    return clock(backbone.device) - started


def run_bare(backbone: Backbone, orders: Sequence[Sequence[Sample]]) -> float:
    """Seconds of a hand-written loop over the same batches."""
    parameters = [parameter for _, parameter in backbone.module.named_parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.0, fused=True)
    backbone.module.train()
    started = clock(backbone.device)
    for order in orders:
        batch, targets = backbone.collate(order)
        batch, targets = batch.to(backbone.device), targets.to(backbone.device)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(backbone.module(batch), targets)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM, foreach=True)
        optimizer.step()
        loss.item()
    return clock(backbone.device) - started


def measure(*, steps: int, rounds: int, batch_samples: int) -> list[tuple[float, float]]:
    """Seconds of the engine and of the bare loop, round by round."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _measure(steps=steps, rounds=rounds, batch_samples=batch_samples)
    finally:
        torch.set_num_threads(threads)


def _measure(*, steps: int, rounds: int, batch_samples: int) -> list[tuple[float, float]]:
    backbone = load_backbone(BackboneSection(), decode=noise, seed=0)
    samples = make_samples(steps * batch_samples)
    start = backbone.trainable_state()
    written = Batches(backbone)
    backbone.collate = written
    run_engine(backbone, samples, batch_samples=batch_samples)  # warms up, and notes the batches
    del backbone.collate

    def timed(run: Callable[[], float]) -> float:
        backbone.load_trainable_state(start)
        return run()

    def engine() -> float:
        return timed(lambda: run_engine(backbone, samples, batch_samples=batch_samples))

    def bare() -> float:
        return timed(lambda: run_bare(backbone, written.orders))

    bare()
    pairs = []
    for number in range(rounds):
        # Who goes first changes, so that neither always meets the machine warmer.
        first, second = (engine, bare) if number % 2 == 0 else (bare, engine)
        one, two = first(), second()
        pairs.append((one, two) if number % 2 == 0 else (two, one))
    return pairs


def median_ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """Median over rounds of the engine's time divided by the bare loop's."""
    return statistics.median(engine / bare for engine, bare in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    pairs = measure(steps=args.steps, rounds=args.rounds, batch_samples=args.batch)
    for engine, bare in pairs:
        milliseconds = (
            f"{1e3 * engine / args.steps:7.1f} ms, bare {1e3 * bare / args.steps:7.1f} ms"
        )
        print(f"engine {milliseconds} a step, ratio {engine / bare:.3f}")
    print(f"median ratio {median_ratio(pairs):.3f} (promised: at most 1.10)")


if __name__ == "__main__":
    main()
