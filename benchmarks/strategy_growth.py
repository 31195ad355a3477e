"""Whether a strategy's optimizer step becomes slower with every domain that went before.

Every registered strategy goes through five domains on the embedded backbone, one block in each of
its stages. Printed is the least processor time of a step in the second domain, after one past
one, and in the fifth, after four, both in one process. Run it from the repository's root:

    python benchmarks/strategy_growth.py [--only gem ewc] [--epochs 3]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from overhead import clock, make_samples, noise
from report import table
from thin import thin_backbone

from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.loader import load_backbone
from transferlab.config.backbone import AdapterSection, BackboneSection
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
    "reglora": {"rank_per_domain": 2},
    "moe_lora": {"experts_per_domain": 1},
    "osf": {"share_per_domain": 0.05},
    "plugin": {"path": "avalanche.core.SupervisedPlugin", "stateless": True},
}
ADAPTERS = {"osf": AdapterSection(kind="osf"), "moe_lora": AdapterSection(experts=8)}


def step_seconds(backbone: HFBackbone, name: str, *, epochs: int) -> Mapping[int, float]:
    """By number of past domains: the least processor time from one step's end to the next's.

    The least, because what else the machine does only ever adds to it.
    """
    ends: list[float] = []

    def listener(event: Event) -> None:
        if isinstance(event, TrainStep):
            ends.append(clock(backbone.device))

    spec = StrategySpec(name=name, options=CASES[name])
    train = TrainSection(epochs=epochs, batch_samples=BATCH, learning_rate=1e-4)
    learner = Learner(backbone, [spec], train, seed=0, listener=listener)
    found = {}
    for past in range(DOMAINS):
        domain = f"domain-{past}"
        samples = [
            replace(one, id=f"{domain}-{one.id}", domain=domain) for one in make_samples(SAMPLES)
        ]
        ends.clear()
        learner.train(samples, domain=domain, stage=domain)
        apart = [after - before for before, after in pairwise(ends)]
        found[past] = min(apart)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        thin_backbone(Path(folder))
        for name in given.only:
            adapter = ADAPTERS.get(name, AdapterSection())
            section = BackboneSection(model=folder, device="cpu", adapter=adapter)
            backbone = load_backbone(section, decode=noise, seed=0)
            found = step_seconds(backbone, name, epochs=given.epochs)
            few, many = found[1], found[DOMAINS - 1]
            says = OPTIONS[name].needs.grows
            cells = [f"{1e3 * few:.0f}", f"{1e3 * many:.0f}", f"{many / few:.2f}"]
            rows.append([f"`{name}`", *cells, says])
            print(" ".join(rows[-1]), flush=True)
    head = ["strategy", "step after 1 domain (ms)", "after 4 (ms)", "ratio", "what it says grows"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
