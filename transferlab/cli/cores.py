"""How many threads compute and how they wait for one another, settled before torch is loaded.

OpenMP reads these settings when its library is loaded. Its threads spin at the end of every
parallel region until the last one has come; beside another busy process that one is not running,
and what waits for it takes its core away: steps are three times as slow (docs/performance.md).
"""

from __future__ import annotations

import math
import os
from collections.abc import MutableMapping
from pathlib import Path

from transferlab.pipeline.environment.cgroups import quota_cores

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
    quota = quota_cores(root / "sys/fs/cgroup", root / "proc/self/cgroup")
    # OpenMP counts the allowed cores by itself, and knows nothing of a container's quota.
    if (
        quota is not None
        and quota < (allowed or 1)
        and not any(environment.get(name) for name in _COUNT)
    ):
        environment["OMP_NUM_THREADS"] = str(max(1, math.ceil(quota)))
