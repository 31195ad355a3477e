"""Independent pieces of a study, some at a time, with the cores this process may use shared out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

from joblib import cpu_count


def side_by_side(work: Callable[..., str], items: Sequence[tuple[Any, ...]], *, jobs: int) -> None:
    """Call ``work`` with the arguments of each item, ``jobs`` at a time, each in a new process.

    What a call returns is printed, with "done". One that fails is printed at once and raised when
    the others have ended.
    """
    # Set before the processes start, since libraries read it when they are loaded.
    os.environ["OMP_NUM_THREADS"] = str(max(1, cpu_count() // jobs))
    # A process's peak of memory never falls, so the next piece must not have that of the last.
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=1)
    with pool:
        calls = [pool.submit(work, *item) for item in items]
        for one in as_completed(calls):
            said = f"{one.result()}: done" if one.exception() is None else one.exception()
            print(said, file=sys.stderr, flush=True)
    for one in calls:
        one.result()
