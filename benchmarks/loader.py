"""What loading costs beside a training step: decoding every time, our caches, and the usual route.

All routes make the same batches of the same pictures for the embedded backbone, in one process,
epoch by epoch; the step is LoRA's forward, backward and AdamW. The usual route is a `datasets`
table of pictures behind a PyTorch DataLoader whose collate function calls the processor. Run it
from the repository's root:

    python benchmarks/loader.py [--pictures FOLDER] [--samples 64] [--batch 16] [--epochs 3]

It prints milliseconds a step and the loader's share of the step; the promise is under 2 % from the
second epoch. On a CPU it takes the process's own time, which other processes hardly disturb.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.loader import load_backbone
from transferlab.backbone.processing.media_encoder import MediaEncoder
from transferlab.backbone.processing.media_store import MediaStore
from transferlab.config.pipeline import BackboneSection
from transferlab.core.records import MediaRef, Sample
from transferlab.domain.media.decoder import decode

PROMPT = "<image>\nNote: cough for three days.\nWhich finding does the image show?"
ANSWER = "an enlarged heart"
SIDE = 512
LIMIT_BYTES = 2**31
MEMORY_BYTES = 2**29
ENDINGS = {".jpg", ".jpeg", ".png"}

Batches = Callable[[], Iterable[Any]]
"""Makes one epoch's batches, each (batch, targets) or the usual route's dict."""


def write_pictures(folder: Path, count: int) -> list[Path]:
    """Grey JPEG files of 512 x 512 pixels with soft shapes and grain, as radiographs have."""
    paths = []
    for number in range(count):
        random = np.random.default_rng(number)
        soft = Image.fromarray(random.integers(0, 256, (16, 16), np.uint8))
        grey = np.asarray(soft.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)
        grain = random.normal(0, 6, grey.shape)
        path = folder / f"{number}.jpg"
        Image.fromarray((grey + grain).clip(0, 255).astype(np.uint8)).save(path, quality=92)
        paths.append(path)
    return paths


def as_samples(paths: Iterable[Path]) -> list[Sample]:
    """One question about each picture."""
    samples = []
    for number, path in enumerate(paths):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        ref = MediaRef(kind="image", path=path, digest=digest)
        samples.append(
            Sample(
                id=f"sample-{number}", domain="pictures", task="finding", kind="answer",
                media=(ref,), prompt=PROMPT, answer=ANSWER,
            )
        )  # fmt: skip
    return samples


def with_cache(backbone: HFBackbone, *, memory: int, store: MediaStore | None) -> HFBackbone:
    """The same backbone with other caches of its processed media."""
    backbone.collator.media = MediaEncoder(
        backbone.processor,
        chat=backbone.collator.chat,
        decode=decode,
        dtype=backbone.model.dtype,
        name=backbone.name,
        cache_bytes=memory,
        store=store,
    )
    return backbone


def our_batches(backbone: HFBackbone, samples: list[Sample], batch: int) -> Batches:
    def epoch() -> Iterator[Any]:
        for start in range(0, len(samples), batch):
            yield backbone.collate(samples[start : start + batch])

    return epoch


def usual_batches(backbone: HFBackbone, samples: list[Sample], batch: int) -> Batches | None:
    """``datasets`` and a DataLoader; None where datasets is not installed."""
    if importlib.util.find_spec("datasets") is None:
        return None
    import datasets
    from torch.utils.data import DataLoader

    processor = backbone.processor
    table = datasets.Dataset.from_dict(
        {"image": [str(one.media[0].path) for one in samples], "text": [PROMPT] * len(samples)}
    ).cast_column("image", datasets.Image(mode="RGB"))
    word = processor.image_token

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        texts = [f"{row['text'].replace('<image>', word)} {ANSWER}" for row in rows]
        pictures = [[row["image"]] for row in rows]
        return dict(processor(text=texts, images=pictures, padding=True, return_tensors="pt"))

    def epoch() -> Iterable[Any]:
        return DataLoader(table, batch_size=batch, collate_fn=collate)

    return epoch


def step_seconds(backbone: HFBackbone, samples: list[Sample], *, rounds: int) -> float:
    """Median of an optimizer step on a batch that is already there."""
    parameters = [parameter for _, parameter in backbone.module.named_parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    batch, targets = backbone.collate(samples)
    batch, targets = batch.to(backbone.device), targets.to(backbone.device)
    backbone.module.train()
    taken = []
    for _ in range(rounds + 2):
        started = clock(backbone.device)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(backbone.module(batch), targets)
        loss.backward()
        optimizer.step()
        loss.item()
        taken.append(clock(backbone.device) - started)
    return statistics.median(taken[2:])  # the first ones warm up


def clock(device: torch.device) -> float:
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def epochs_of(batches: Batches, *, epochs: int, device: torch.device) -> list[float]:
    """Seconds a batch, epoch by epoch."""
    taken = []
    for _ in range(epochs):
        started, count = clock(device), 0
        for _ in batches():
            count += 1
        taken.append((clock(device) - started) / count)
    return taken


def measure(paths: list[Path], *, batch: int, epochs: int, rounds: int = 9) -> dict[str, Any]:
    """Seconds of a step, and of a batch by route and epoch."""
    backbone = load_backbone(BackboneSection(), decode=decode, seed=0)
    samples = as_samples(paths)
    device = backbone.device
    routes: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = MediaStore(Path(folder), limit_bytes=LIMIT_BYTES)
        for name, memory, kept in (
            ("decoding every time", 0, None),
            ("cache on disk alone", 0, store),
            ("cache on disk and in memory", MEMORY_BYTES, store),
        ):
            ours = our_batches(with_cache(backbone, memory=memory, store=kept), samples, batch)
            routes[name] = epochs_of(ours, epochs=epochs, device=device)
        usual = usual_batches(backbone, samples, batch)
        if usual is not None:
            routes["datasets and DataLoader"] = epochs_of(usual, epochs=epochs, device=device)
        step = step_seconds(backbone, samples[:batch], rounds=rounds)
    return {"step": step, "routes": routes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=Path, help="folder of JPEG or PNG files; default: made")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.pictures:
            found = (one for one in args.pictures.rglob("*") if one.suffix.lower() in ENDINGS)
            paths = sorted(found)[: args.samples]
        else:
            paths = write_pictures(Path(folder), args.samples)
        result = measure(paths, batch=args.batch, epochs=args.epochs)
    step = result["step"]
    print(f"{len(paths)} pictures, batches of {args.batch}; training step {1e3 * step:.1f} ms")
    for name, taken in result["routes"].items():
        later = statistics.median(taken[1:])
        print(
            f"{name:28s} first epoch {1e3 * taken[0]:8.2f} ms a batch, later {1e3 * later:8.2f} ms"
            f" = {later / step:6.1%} of the step"
        )
    if "datasets and DataLoader" not in result["routes"]:
        print("datasets is not installed: its route was left out (pip install datasets)")


if __name__ == "__main__":
    main()
