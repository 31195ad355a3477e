"""Does ``run --dry-run`` estimate the peak memory of training within 20 %?

    python benchmarks/memory_estimate.py [--only NAME]... [--json FILE]

Every configuration has a process of its own, so that no peak hides behind another. The process
estimates, forgets the largest size that it has had, and trains a few steps of the stream, and of
the scratch arm where it is asked for, on pictures of noise; scoring and tracking are left out. On
the CPU the measured peak is the process's resident size (Linux), on a GPU what torch allocated.
Beside the ratio of the whole stands the ratio of what exceeds the process with its libraries,
before any model: the harder figure.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.loader import load_backbone
from transferlab.config.pipeline import PipelineConfig
from transferlab.continual.engine.learner import Learner
from transferlab.core.peak_memory import peak_memory_bytes, reset_peak_memory
from transferlab.core.records import DomainData, MediaRef, Sample
from transferlab.pipeline.build import NAIVE
from transferlab.pipeline.resources import estimate_memory

TOLERANCE = 0.2
SAMPLES = 128
BASE: dict[str, Any] = {
    "name": "memory",
    "stream": ["noise"],
    "arms": [],
    "train": {"epochs": 1, "max_steps": 2, "batch_samples": 16},
}
CASES: dict[str, dict[str, Any]] = {
    "lora, batch 16": {},
    "lora, batch 64": {"train": {"batch_samples": 64}},
    "lora, batch 64 in 8 pieces": {"train": {"batch_samples": 64, "accumulation_steps": 8}},
    "lora, batch 64, activations again": {
        "train": {"batch_samples": 64},
        "backbone": {"gradient_checkpointing": True},
    },
    "language alone, batch 64": {
        "train": {"batch_samples": 64},
        "backbone": {"parts": {"vision": {"mode": "frozen"}, "projector": {"mode": "frozen"}}},
    },
    "dora, batch 32": {
        "train": {"batch_samples": 32},
        "backbone": {"adapter": {"kind": "dora"}},
    },
    "full, batch 32": {"train": {"batch_samples": 32}, "backbone": {"adapter": None}},
    "full, sgd, batch 64": {
        "train": {"batch_samples": 64, "optimizer": "sgd"},
        "backbone": {"adapter": None},
    },
    "lora and scratch, batch 48": {"train": {"batch_samples": 48}, "arms": ["scratch"]},
    "ewc and replay, batch 24": {
        "train": {"batch_samples": 24},
        "strategy": [
            {"name": "ewc", "options": {"strength": 10, "fisher_samples": 8}},
            {"name": "replay", "options": {"memory_samples": 16}},
        ],
        "source": "more-noise",
    },
    "bfloat16, batch 64": {"train": {"batch_samples": 64}, "backbone": {"dtype": "bfloat16"}},
}


def config_of(case: str) -> PipelineConfig:
    tree = json.loads(json.dumps(BASE))
    for section, values in CASES[case].items():
        tree[section] = {**tree.get(section, {}), **values} if isinstance(values, dict) else values
    return PipelineConfig.model_validate(tree)


def noise(ref: MediaRef) -> list[np.ndarray]:
    random = np.random.default_rng(int(ref.path.stem))
    return [random.integers(0, 256, (112, 112, 3), dtype=np.uint8)]


def domain(name: str) -> DomainData:
    """So many questions about noise that a step of the largest batch is full."""
    samples = tuple(
        Sample(
            id=f"{name}{at}",
            domain=name,
            task="finding",
            kind="answer",
            media=(MediaRef(kind="image", path=Path(f"{at}.png"), frames=1),),
            prompt="<image>\nNote: cough for three weeks.\nWhich finding does the image show?",
            answer="a small pleural effusion on the left side",
        )
        for at in range(SAMPLES)
    )
    return DomainData(
        name=name,
        version=1,
        title=name,
        licence="none",
        primary_metrics={"finding": "exact_match"},
        splits={"train": samples},
        digest="",
    )


def answer(case: str) -> dict[str, Any]:
    """Resident bytes without a model, the estimate, and the peak of the trainings themselves."""
    config = config_of(case)
    names = [*([config.source] if config.source else []), *config.stream]
    loaded = {name: domain(name) for name in names}
    train = {name: data.splits["train"] for name, data in loaded.items()}
    idle = psutil.Process().memory_info().rss
    backbone = read(config)
    device = backbone.device
    guess = estimate_memory(config, backbone, loaded=loaded, train=train)["peak_bytes"]
    del backbone
    gc.collect()
    reset_peak_memory(device)
    if device.type == "cpu":
        # Linux forgets the largest size so far: that of the estimate.
        Path("/proc/self/clear_refs").write_text("5")
    train_all(config, train)
    peak = peak_memory_bytes(device) if device.type == "cuda" else largest_size_bytes()
    return {"case": case, "idle": idle, "estimated": guess, "measured": peak}


def largest_size_bytes() -> int:
    """Since the last reset; what ``resource`` tells cannot be reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def read(config: PipelineConfig, **how: Any) -> HFBackbone:
    return load_backbone(config.backbone, decode=noise, seed=0, **how)


def train_all(config: PipelineConfig, train: Mapping[str, Sequence[Sample]]) -> None:
    """The trainings of the stream and of the scratch arm, as a run does them."""
    backbone = read(config)
    learner = Learner(backbone, config.strategy, config.train, seed=0)
    if config.source and config.protect_source:
        learner.consolidate(train[config.source], domain=config.source)
    for name in config.stream:
        learner.train(train[name], domain=name, stage=name)
    del learner
    if "scratch" in config.arms:
        fresh = read(config, fresh=True, sharing=backbone)
        start = fresh.trainable_state()
        for name in config.stream:
            fresh.load_trainable_state(start)
            learner = Learner(fresh, NAIVE, config.train, seed=0)
            learner.train(train[name], domain=name, stage=name)


def compare(case: str) -> dict[str, Any]:
    """One configuration, in a process of its own."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        row = pool.apply(answer, (case,))
    idle, guess, peak = (row[key] for key in ("idle", "estimated", "measured"))
    row["ratio"], row["above"] = guess / peak, (guess - idle) / (peak - idle)
    sizes = " | ".join(f"{number / 2**20:,.0f}" for number in (idle, guess, peak))
    print(f"| {case} | {sizes} | {row['ratio']:.2f} | {row['above']:.2f} |", flush=True)
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=CASES)
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    given = parser.parse_args()
    print("| configuration | idle, MiB | estimated, MiB | measured, MiB | ratio | above idle |")
    print("|---|---|---|---|---|---|", flush=True)
    rows = [compare(case) for case in given.only or CASES]
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))
    odd = [row["case"] for row in rows if abs(row["ratio"] - 1) > TOLERANCE]
    print(f"\n{len(rows) - len(odd)} of {len(rows)} within {TOLERANCE:.0%}", *odd, sep="\n")
    return bool(odd)


if __name__ == "__main__":
    raise SystemExit(main())
