"""What a GPU makes of training: us, `Trainer` with PEFT, and TRL, side by side in one process.

    python benchmarks/gpu.py                      # random Qwen2.5-VL shapes of 2 B and 7 B, one GPU
    python benchmarks/gpu.py --shape small        # a few layers; runs on a processor too

Random weights in bfloat16, LoRA of rank 16 on every linear layer, pictures of 448 x 448 pixels (256
tokens), answers of 16 words, AdamW, no gradient checkpointing. Every trainer gets the same samples
and batches; the first steps are not counted. Printed per trainer:

- samples and tokens per second over the counted steps, by the wall clock;
- MFU: 4 FLOPs per parameter and token (forward 2, backward 2 for the activations; a frozen weight
  has no gradient) over the card's dense bfloat16 peak, the vision tower counted per patch;
- the peak of allocated memory, and the share of time in which a kernel ran (NVML's utilization).

Ours runs once more on a second domain with EWC and replay, to say what they add to a step.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_models import SHAPES, config_for, device, fresh_model, picture, processor_for, samples_of
from gpu_peers import WARM_STEPS, Timing, trainer_and_peft, trl

from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.loader import prepare
from transferlab.backbone.processing.factory import make_collator
from transferlab.config.backbone import BackboneSection
from transferlab.config.pipeline import StrategySpec, TrainSection
from transferlab.continual.engine.learner import Learner
from transferlab.core.events import TrainStep
from transferlab.core.records import Sample

PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""Dense bfloat16, by the makers' sheets."""
TRAIN = {"learning_rate": 1e-4, "schedule": "constant", "mixed_precision": "auto"}


@contextmanager
def utilization() -> Iterator[list[float]]:
    """Fills with NVML's share of time in which a kernel ran, sampled ten times a second."""
    seen: list[float] = []
    if not torch.cuda.is_available():
        yield seen
        return
    import pynvml

    pynvml.nvmlInit()
    card = pynvml.nvmlDeviceGetHandleByIndex(torch.cuda.current_device())
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            seen.append(pynvml.nvmlDeviceGetUtilizationRates(card).gpu)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def ours(
    config: Any,
    processor: Any,
    folder: Path,
    side: int,
    samples: list[Sample],
    batch: int,
    strategies: list[StrategySpec],
    past: list[Sample],
) -> tuple[Timing, HFBackbone]:
    model = fresh_model(config)
    section = BackboneSection.model_validate(
        {
            "model": str(folder),
            "device": str(device()),
            "dtype": str(model.dtype)[6:],
            "adapter": {"kind": "lora", "rank": 16, "alpha": 32, "targets": "all-linear"},
            "max_length_tokens": 4096,
        }
    )
    decode = lambda ref: picture(ref, side)  # noqa: E731
    collator = make_collator(
        section, model, processor, decode=decode, decode_audio=None, store=None
    )
    adapted, _ = prepare(model, section, seed=0)
    backbone = HFBackbone(adapted.train(), processor, collator, section=section, device=device())
    timing = Timing()

    def listener(event: Any) -> None:
        if isinstance(event, TrainStep):
            timing.step()

    train = TrainSection(epochs=1, batch_samples=batch, **TRAIN)
    if past:
        learner = Learner(backbone, strategies, train, seed=0)
        learner.train(past, domain="past", stage="past")
        learner._listener = listener  # the second domain is the one that is timed
    else:
        learner = Learner(backbone, strategies, train, seed=0, listener=listener)
    learner.train(samples, domain="now", stage="now")
    return timing, backbone


def flops_per_step(config: Any, backbone: HFBackbone, samples: list[Sample]) -> tuple[float, int]:
    """FLOPs of a step of these samples, and their tokens."""
    vision = sum(p.numel() for n, p in backbone.model.named_parameters() if ".visual." in n)
    tables = config.text_config.vocab_size * config.text_config.hidden_size
    language = backbone.total_parameters - vision - tables  # looked up, not multiplied
    tokens = sum(backbone.length_tokens(one) for one in samples)
    batch, _ = backbone.collate(samples)
    patches = int(batch.media["pixel_values"].shape[0])
    return 4.0 * (language * tokens + vision * patches), tokens


def measured(work: Callable[[], Any]) -> tuple[Any, float, float | None]:
    """What it returns, the peak of allocated gigabytes, and the share of time the card was busy."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with utilization() as busy:
        found = work()
    peak = torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else float("nan")
    return found, peak, float(np.median(busy)) if busy else None


def run_shape(name: str, *, batch: int, steps: int, skip: set[str]) -> list[dict[str, Any]]:
    shape = SHAPES[name]
    side = shape["side"]
    processor = processor_for(side)
    config = config_for(shape, processor)
    samples = samples_of(batch * (steps + WARM_STEPS), first=0, domain="now")
    past = samples_of(batch * 2, first=100_000, domain="past")
    both = [
        StrategySpec(name="ewc", options={"fisher_samples": batch}),
        StrategySpec(name="replay", options={"memory_samples": batch, "batch_ratio": 0.5}),
    ]
    naive = [StrategySpec(name="naive", options={})]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        config.save_pretrained(folder)
        processor.save_pretrained(folder)
        common = (config, processor, folder, side)
        (timing, backbone), peak, busy = measured(lambda: ours(*common, samples, batch, naive, []))
        flops, tokens = flops_per_step(config, backbone, samples[:batch])
        parameters = backbone.total_parameters
        del backbone

        def add(who: str, timing: Timing, peak: float, busy: float | None, share: float) -> None:
            seconds = timing.median
            card = torch.cuda.get_device_name() if torch.cuda.is_available() else "processor"
            top = next((v for k, v in PEAK_FLOPS.items() if k in card), None)
            row = {
                "shape": name,
                "parameters": parameters,
                "device": card,
                "who": who,
                "seconds_per_step": seconds,
                "samples_per_second": batch * share / seconds,
                "tokens_per_second": tokens * share / seconds,
                "mfu": flops * share / seconds / top if top else None,
                "peak_gigabytes": peak,
                "gpu_busy_percent": busy,
                "steps": len(timing.seconds),
            }
            rows.append(row)
            print(json.dumps(row), flush=True)

        add("transferlab", timing, peak, busy, 1.0)
        (timing, _), peak, busy = measured(lambda: ours(*common, samples, batch, both, past))
        add("transferlab ewc + replay (half as many remembered)", timing, peak, busy, 1.5)
        for who, work in (("Trainer + PEFT", trainer_and_peft), ("TRL", trl)):
            if who in skip:
                continue
            timing, peak, busy = measured(lambda work=work: work(*common, samples, batch))
            add(who, timing, peak, busy, 1.0)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| shape | who | s/step | samples/s | tokens/s | MFU | peak GB | busy % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in rows:
        mfu = "" if one["mfu"] is None else f"{one['mfu']:.2f}"
        busy = "" if one["gpu_busy_percent"] is None else f"{one['gpu_busy_percent']:.0f}"
        lines.append(
            f"| {one['shape']} ({one['parameters'] / 1e9:.1f} B) | {one['who']} "
            f"| {one['seconds_per_step']:.3f} | {one['samples_per_second']:.1f} "
            f"| {one['tokens_per_second']:.0f} | {mfu} | {one['peak_gigabytes']:.1f} | {busy} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shape", nargs="+", choices=SHAPES, default=["2b", "7b"])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--skip", nargs="*", default=[], choices=["Trainer + PEFT", "TRL"])
    given = parser.parse_args()
    torch.set_float32_matmul_precision("high")
    rows: list[dict[str, Any]] = []
    for name in given.shape:
        rows += run_shape(name, batch=given.batch, steps=given.steps, skip=set(given.skip))
    print(table(rows))


if __name__ == "__main__":
    main()
