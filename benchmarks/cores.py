"""Steps of a small transformer by how threads wait, alone and beside one busy process.

    python benchmarks/cores.py [--rounds 3] [--seconds 4] [--cores 2]

Every way to wait is measured in a process of its own, in turn, round by round. Steps per second are
medians over rounds, as multiples of the OpenMP library's own waiting alone on the machine. Where
others use the machine too, Linux gives this session nearly all of it for so long with

    setsid bash -c 'echo -20 > /proc/self/autogroup; python benchmarks/cores.py'
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict

WAYS = {
    "the library's own": {},
    "OMP_WAIT_POLICY=passive": {"OMP_WAIT_POLICY": "passive"},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
    "GOMP_SPINCOUNT=3000": {"GOMP_SPINCOUNT": "3000"},
    "GOMP_SPINCOUNT=10000": {"GOMP_SPINCOUNT": "10000"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
BUSY = "while True: pass"


def measure(seconds: float) -> None:
    """Print steps per second, and seconds of processor time per step, of a small transformer.

    Its layers are as wide as the embedded backbone's, and loading it takes no other library.
    """
    import torch

    layer = torch.nn.TransformerEncoderLayer(192, 4, 768, batch_first=True, dropout=0.0)
    model = torch.nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
    given = torch.randn(8, 96, 192, generator=torch.Generator().manual_seed(0))

    def step() -> None:
        model.zero_grad()
        model(given).square().mean().backward()

    for _ in range(3):
        step()
    steps, began, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        step()
        steps += 1
    lasted, used = time.perf_counter() - began, time.process_time() - used
    print(steps / lasted, used / steps)


def child(way: dict[str, str], seconds: float) -> list[float]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "KMP_"))}
    done = subprocess.run(
        [sys.executable, __file__, "--measure", str(seconds)],
        env={**plain, **way},
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(one) for one in done.stdout.split()]


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--rounds", type=int, default=3)
    given.add_argument("--seconds", type=float, default=4.0)
    given.add_argument("--cores", type=int, default=2)
    given.add_argument("--measure", type=float, help=argparse.SUPPRESS)
    asked = given.parse_args()
    if asked.measure:
        measure(asked.measure)
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: asked.cores])
    found = defaultdict(list)
    for _ in range(asked.rounds):
        for beside in (0, 1):
            others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(beside)]
            for name, way in WAYS.items():
                found[name, beside].append(child(way, asked.seconds))
            for one in others:
                one.kill()
                one.wait()
    rates = {key: statistics.median(one[0] for one in many) for key, many in found.items()}
    used = {key: statistics.median(one[1] for one in many) for key, many in found.items()}
    unit = rates["the library's own", 0]
    print(f"alone, the library's own waiting: {unit:.1f} steps/s")
    for name in WAYS:
        alone, busy = rates[name, 0] / unit, rates[name, 1] / unit
        print(
            f"| {name} | {alone:.2f} | {busy:.2f} | {used[name, 0] * 1e3:.0f} | "
            f"{used[name, 1] * 1e3:.0f} |"
        )


if __name__ == "__main__":
    main()
