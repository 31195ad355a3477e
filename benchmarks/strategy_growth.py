"""Whether a strategy's optimizer step becomes slower with every domain that went before.

Every registered strategy goes through five domains on the embedded backbone, one block in each of
its stages, each strategy in a new process. Printed is the least processor time of a step in the
second domain, after one past one, and in the fifth, after four; then what else the fifth domain
took before and after its steps, what is kept after it, and the process's peak of resident memory.
Run it from the repository's root:

    python benchmarks/strategy_growth.py [--only gem ewc] [--epochs 3] [--whole]

``--whole`` takes the embedded backbone with all of its blocks.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from overhead import clock, make_samples, noise
from report import table
from side_by_side import side_by_side
from thin import thin_backbone

from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.loader import load_backbone
from transferlab.config.backbone import EMBEDDED, AdapterSection, BackboneSection
from transferlab.config.pipeline import StrategySpec, TrainSection
from transferlab.continual.engine.learner import Learner
from transferlab.continual.options.registry import OPTIONS, STRATEGIES
from transferlab.core.events import Event, TrainStep

DOMAINS, SAMPLES, BATCH = 5, 12, 4
MEMORY = {"memory_samples": 12}
"""Full after one domain: what a fuller memory costs is not what is asked."""
CASES: dict[str, dict[str, Any]] = {
    **{name: {} for name in STRATEGIES.names()},
    **{name: {"strength": 1.0} for name in ("ewc", "si", "mas", "rwalk", "l2")},
    "replay": MEMORY,
    "der": {**MEMORY, "memory_batch_samples": 4},
    "er_ace": {**MEMORY, "memory_batch_samples": 4},
    "mir": {**MEMORY, "candidate_samples": 8, "memory_batch_samples": 4},
    "gss": {**MEMORY, "compared_samples": 1},
    "gdumb": MEMORY,
    "self_distillation": {**MEMORY, "max_new_tokens": 4, "memory_batch_samples": 4},
    "pseudo_replay": {"pseudo_samples": 8, "max_new_tokens": 4, "memory_batch_samples": 4},
    "agem": {"samples_per_domain": 4, "memory_batch_samples": 4},
    "gem": {"samples_per_domain": 4, "memory_batch_samples": 4},
    "o_lora": {"rank_per_domain": 2},
    "inflora": {"rank_per_domain": 2, "subspace_samples": 12},
    "keeplora": {"rank_per_domain": 2, "subspace_samples": 12},
    "hide": {"rank_per_domain": 2},
    "mr_lora": {"samples_per_domain": 12, "router_epochs": 3},
    "cl_moe": {"share_samples": 12},
    "reglora": {"rank_per_domain": 2},
    "moe_lora": {"experts_per_domain": 1},
    "osf": {"share_per_domain": 0.05},
    "plugin": {"path": "avalanche.core.SupervisedPlugin", "stateless": True},
}
HEAD = [
    "strategy", "step after 1 domain (ms)", "after 4 (ms)", "ratio", "beside steps (ms)",
    "kept (MB)", "peak (MB)", "what it says grows",
]  # fmt: skip
ADAPTERS = {
    "osf": AdapterSection(kind="osf"),
    "moe_lora": AdapterSection(experts=8),
    "cl_moe": AdapterSection(experts=8),
}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What five domains of one strategy cost."""

    steps: Mapping[int, float]
    """By number of past domains: the least processor time from one step's end to the next's.

    The least, because what else the machine does only ever adds to it."""
    between: float
    """Processor seconds of the fifth domain before its first step's end and after its last one's,
    less one step."""
    kept_bytes: int
    peak_bytes: int


def cost_of(backbone: HFBackbone, name: str, *, epochs: int) -> Cost:
    ends: list[float] = []

    def listener(event: Event) -> None:
        if isinstance(event, TrainStep):
            ends.append(clock(backbone.device))

    spec = StrategySpec(name=name, options=CASES[name])
    train = TrainSection(epochs=epochs, batch_samples=BATCH, learning_rate=1e-4)
    learner = Learner(backbone, [spec], train, seed=0, listener=listener)
    steps = {}
    for past in range(DOMAINS):
        domain = f"domain-{past}"
        samples = [
            replace(one, id=f"{domain}-{one.id}", domain=domain) for one in make_samples(SAMPLES)
        ]
        ends.clear()
        started = clock(backbone.device)
        report = learner.train(samples, domain=domain, stage=domain)
        whole = clock(backbone.device) - started
        steps[past] = min(after - before for before, after in pairwise(ends))
    return Cost(
        steps=steps,
        between=whole - (ends[-1] - ends[0]) - steps[past],
        kept_bytes=report.strategy_bytes,
        peak_bytes=report.peak_memory_bytes,
    )


def measure(name: str, model: str, epochs: int) -> str:
    """Print one line of the table."""
    torch.set_num_threads(1)  # threads that wait for one another count as busy
    adapter = ADAPTERS.get(name, AdapterSection())
    section = BackboneSection(model=model, device="cpu", adapter=adapter)
    cost = cost_of(load_backbone(section, decode=noise, seed=0), name, epochs=epochs)
    few, many = cost.steps[1], cost.steps[DOMAINS - 1]
    cells = [f"`{name}`", f"{1e3 * few:.0f}", f"{1e3 * many:.0f}", f"{many / few:.2f}"]
    cells += [f"{1e3 * cost.between:.0f}", f"{cost.kept_bytes / 1e6:.1f}"]
    cells += [f"{cost.peak_bytes / 1e6:.0f}"]
    print(f"| {' | '.join(cells)} | {OPTIONS[name].needs.grows} |", flush=True)
    return name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--whole", action="store_true", help="all blocks of the embedded backbone")
    given = parser.parse_args()
    print(table(HEAD, []), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        thin_backbone(Path(folder))
        model = EMBEDDED if given.whole else folder
        side_by_side(measure, [(name, model, given.epochs) for name in given.only], jobs=1)


if __name__ == "__main__":
    main()
