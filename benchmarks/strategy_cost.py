"""What strategies cost, side by side in one process: time per step, passes, memory.

On the embedded backbone with a LoRA adapter of rank 16 on all linear layers, batches of 16, made-up
pictures. Run it from the repository's root:

    python benchmarks/strategy_cost.py [--rounds 15] [--samples 32]

What a strategy adds to a step is timed by itself, in turn with plain steps, because a difference of
a few percent between two noisy steps says little. For Avalanche's own EWC that is the penalty and
its backward pass; for ours the hooks. On a CPU it takes the process's own time.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator, Sequence

import torch
from overhead import clock, make_samples, noise
from torch import nn

from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.loader import load_backbone
from transferlab.config.backbone import AdapterSection, BackboneSection
from transferlab.config.pipeline import StrategySpec, TrainSection
from transferlab.continual.components.fisher import exact_fisher
from transferlab.continual.engine.learner import Learner
from transferlab.core.batch import Batch

BATCH = 16
TRAIN = TrainSection(epochs=1, batch_samples=BATCH, schedule="constant")
STOCK = {
    "path": "avalanche.training.plugins.EWCPlugin",
    "arguments": {"ewc_lambda": 1.0, "mode": "online", "decay_factor": 1.0},
}
STOCK_NAME = "ewc (Avalanche's)"
STEP_HOOKS = (
    "before_training_iteration",
    "before_forward",
    "after_forward",
    "before_backward",
    "after_backward",
    "before_update",
    "after_update",
    "after_training_iteration",
)
"""In Avalanche's order."""


class Bench:
    """One backbone, its start, and the batches that everything is timed on."""

    def __init__(self, *, embeddings: bool, samples: int) -> None:
        adapter = AdapterSection(train_embeddings=embeddings)
        self.backbone: HFBackbone = load_backbone(
            BackboneSection(adapter=adapter), decode=noise, seed=0
        )
        self.samples = make_samples(samples)
        self._start = self.backbone.trainable_state()
        self.batches = [
            self.backbone.collate(self.samples[at : at + BATCH])[0].to(self.backbone.device)
            for at in range(0, samples, BATCH)
        ]
        self.parameters = [p for _, p in self.backbone.module.named_parameters()]

    def learner(self, *specs: StrategySpec) -> Learner:
        """A learner whose strategies have taken in one domain, a little away from its anchor."""
        self.backbone.load_trainable_state(self._start)
        learner = Learner(self.backbone, specs, TRAIN, seed=0)
        learner.train(self.samples, domain="first", stage="first")
        with torch.no_grad():
            torch._foreach_add_(self.parameters, 1e-3)
        self.backbone.module.train()
        return learner

    def plain_pass(self, batches: Sequence[Batch]) -> None:
        """Forward and backward, as a step has them."""
        for batch in batches:
            for parameter in self.parameters:
                parameter.grad = None
            loss = nn.functional.cross_entropy(self.backbone.module(batch), batch.targets())
            loss.backward()

    def timed(self, act: Callable[[], object]) -> float:
        started = clock(self.backbone.device)
        act()
        return clock(self.backbone.device) - started


def in_turn(bench: Bench, acts: Sequence[Callable[[], object]], *, rounds: int) -> list[float]:
    """Median seconds of each, one after the other in every round, after a round to warm up."""
    for act in acts:
        act()
    found = [[bench.timed(act) for act in acts] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*found, strict=True)]


def whole_step(bench: Bench) -> Callable[[], None]:
    """A plain step of the engine's kind: forward, backward, clip, AdamW."""
    optimizer = torch.optim.AdamW(bench.parameters, lr=1e-5, weight_decay=0.0, fused=True)

    def act() -> None:
        bench.plain_pass(bench.batches[:1])
        nn.utils.clip_grad_norm_(bench.parameters, 1.0, foreach=True)
        optimizer.step()

    return act


def hooks_of(learner: Learner) -> Callable[[], None]:
    """All of a strategy's hooks within one step; a loss that they make is followed backwards."""
    template, (plugin,) = learner._trainer, learner._strategies
    template.clock.train_exp_counter = 1
    plugin.before_training(template)
    plugin.before_training_exp(template)

    def act() -> None:
        template.loss = torch.zeros((), device=template.device)
        for name in STEP_HOOKS:
            getattr(plugin, name)(template)
            if name == "before_backward" and template.loss.requires_grad:
                template.loss.backward()

    return act


def step_costs(bench: Bench, *, rounds: int) -> Iterator[tuple[str, float, float]]:
    """A strategy, what it adds to a step and the step itself, in milliseconds."""
    specs = {
        "ewc": StrategySpec(name="ewc"),
        STOCK_NAME: StrategySpec(name="plugin", options=STOCK),
        "si": StrategySpec(name="si", options={"strength": 1.0}),
        "mas": StrategySpec(name="mas", options={"strength": 1.0}),
        "rwalk": StrategySpec(name="rwalk", options={"strength": 1.0}),
        "l2": StrategySpec(name="l2", options={"strength": 1.0}),
        "ema": StrategySpec(name="ema"),
    }
    for name, spec in specs.items():
        learner = bench.learner(spec)
        if name == "ema":
            learner._trainer.recorder.losses.clear()
        bench.plain_pass(bench.batches[:1])
        added, step = in_turn(bench, [hooks_of(learner), whole_step(bench)], rounds=rounds)
        yield name, 1e3 * added, 1e3 * step


def fisher_ratio(bench: Bench, *, rounds: int) -> float:
    """Exact Fisher over plain forward and backward, on the same samples."""
    bench.backbone.module.eval()
    fisher, plain = in_turn(
        bench,
        [
            lambda: exact_fisher(bench.backbone.module, bench.batches),
            lambda: bench.plain_pass(bench.batches),
        ],
        rounds=rounds,
    )
    return fisher / plain


def numbers_kept(bench: Bench) -> Iterator[tuple[str, list[float]]]:
    """Per strategy: numbers kept per trainable parameter after one, two and three domains."""
    trainable = bench.backbone.trainable_parameters
    for name in ("ewc", "si", "mas", "rwalk", "l2", "lwf"):
        options = {"strength": 1.0}
        learner = bench.learner(StrategySpec(name=name, options=options))
        kept = [learner._strategies[0].state_bytes() / 4 / trainable]
        for domain in ("second", "third"):
            learner.train(bench.samples[:BATCH], domain=domain, stage=domain)
            kept.append(learner._strategies[0].state_bytes() / 4 / trainable)
        yield name, kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--samples", type=int, default=32)
    given = parser.parse_args()
    for embeddings in (False, True):
        bench = Bench(embeddings=embeddings, samples=given.samples)
        backbone = bench.backbone
        print(
            f"\ntrain_embeddings: {str(embeddings).lower()}; {backbone.trainable_parameters} of "
            f"{backbone.total_parameters} parameters trained"
        )
        print("| strategy | adds to a step (ms) | plain step (ms) | share |\n|---|---|---|---|")
        added = {}
        for name, more, step in step_costs(bench, rounds=given.rounds):
            added[name] = more / step
            print(f"| {name} | {more:.2f} | {step:.1f} | {more / step:.2%} |", flush=True)
        print(f"ewc over Avalanche's: {added['ewc'] / added[STOCK_NAME]:.2f}")
        ratio = fisher_ratio(bench, rounds=max(3, given.rounds // 3))
        print(f"exact Fisher over forward and backward: {ratio:.2f}", flush=True)
        print("| strategy | numbers per trainable parameter after 1, 2, 3 domains |\n|---|---|")
        for name, kept in numbers_kept(bench):
            print(f"| {name} | {', '.join(f'{one:.2f}' for one in kept)} |", flush=True)


if __name__ == "__main__":
    main()
