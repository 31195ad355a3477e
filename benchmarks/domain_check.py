"""What `domains check` costs: pictures per second, and memory by the number of rows.

    python benchmarks/domain_check.py [--pictures 500] [--rows 10000 100000]

Speed is measured on 512-pixel grey JPEGs of 40 to 60 KB, memory on small ones, each a file of its
own. Every measurement runs in a process of its own; the peak is that of its resident memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

DOMAIN = """name: bench
version: 1
title: Benchmark
field: testing
licence: CC0-1.0
source: {kind: table, media: {image: {kind: image, path: '{file}'}}}
group: owner
tasks:
  shape:
    kind: classify
    prompt: "<image>\\nWhich shape?"
    answer: '{shape}'
    choices: [round, square]
    metrics: [accuracy]
"""


def write(folder: Path, *, rows: int, side: int) -> None:
    """A domain of ``rows`` pictures of ``side`` pixels, each unlike the others."""
    (folder / "images").mkdir(parents=True)
    (folder / "domain.yaml").write_text(DOMAIN)
    generator = np.random.default_rng(0)
    with (folder / "metadata.csv").open("w") as table:
        table.write("file,owner,shape\n")
        for number in range(rows):
            coarse = generator.integers(0, 256, (16, 16), np.uint8)
            picture = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
            if side > 64:
                noise = generator.integers(-12, 13, (side, side))
                picture = Image.fromarray(
                    (np.asarray(picture) + noise).clip(0, 255).astype("uint8")
                )
            picture.save(folder / "images" / f"{number}.jpg", quality=90)
            table.write(f"images/{number}.jpg,o{number // 2},{['round', 'square'][number % 2]}\n")


def measure(folder: Path) -> dict[str, float]:
    """Check a domain in this process."""
    from transferlab.domain.catalogue import read_entry
    from transferlab.domain.check import check_domain

    entry = read_entry(folder)
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    report = check_domain(entry)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "files": report.media,
        "errors": len(report.errors),
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_mb": after.ru_maxrss / 1024,
    }


def apart(folder: Path) -> dict[str, float]:
    """``measure`` in a process of its own."""
    command = [sys.executable, __file__, "--measure", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--measure", type=Path)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure)))
        return
    with tempfile.TemporaryDirectory() as place:
        write(Path(place) / "speed", rows=given.pictures, side=512)
        size = sum(f.stat().st_size for f in (Path(place) / "speed" / "images").iterdir())
        found = apart(Path(place) / "speed")
        print(
            f"{given.pictures} JPEGs of 512 px, {size / given.pictures / 1000:.0f} KB each: "
            f"{found['files'] / found['cpu_seconds']:.0f} per CPU second, "
            f"{found['files'] / found['seconds']:.0f} per second"
        )
        for rows in given.rows:
            write(Path(place) / str(rows), rows=rows, side=24)
            found = apart(Path(place) / str(rows))
            print(
                f"{rows} rows: peak {found['peak_mb']:.0f} MB, {found['cpu_seconds']:.1f} CPU s, "
                f"{found['errors']} errors"
            )


if __name__ == "__main__":
    main()
