"""How many threads compute and how they wait for one another, settled before torch is loaded.

OpenMP reads these settings when its library is loaded. Its threads spin at the end of every
parallel region until the last one has come; beside another busy process that one is not running,
and what waits for it takes its core away: steps are three times as slow (docs/performance.md).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

SPINS = "10000"
"""Rounds before a thread sleeps: enough for the gaps between operations, 1/30 of GNU's default."""
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
_COUNT = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT")


def arrange_threads(environment: MutableMapping[str, str], *, root: Path = Path("/")) -> None:
    """Settle what the user has not.

    Args:
        environment: of the process; changed in place.
        root: of the file system that says what the process may use.
    """
    if not any(environment.get(name) for name in _WAITING):
        environment["GOMP_SPINCOUNT"] = SPINS
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = min(_quotas(root), default=math.inf)
    # OpenMP counts the allowed cores by itself, and knows nothing of a container's quota.
    if quota < (allowed or 1) and not any(environment.get(name) for name in _COUNT):
        environment["OMP_NUM_THREADS"] = str(max(1, math.ceil(quota)))


def _quotas(root: Path) -> Iterator[float]:
    """The cores' worth of time that each control group above the process grants; where set."""
    groups = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, kinds, path = line.split(":", 2)
        second = not kinds
        if not second and "cpu" not in kinds.split(","):
            continue
        base = groups if second else groups / kinds
        folder = base / path.lstrip("/")
        # In a container the path may be that of the host, where nothing is.
        for at in {base, *(one for one in (folder, *folder.parents) if base in one.parents)}:
            if second:
                limit, _, period = _text(at / "cpu.max").partition(" ")
            else:
                limit = _text(at / "cpu.cfs_quota_us")
                period = _text(at / "cpu.cfs_period_us")
            if limit.strip().isdigit() and period.strip().isdigit():  # else "max", or -1
                yield int(limit) / int(period)


def _text(path: Path) -> str:
    """What a file of the kernel says; nothing where there is none."""
    return path.read_text("ascii") if path.is_file() else ""
