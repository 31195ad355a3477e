"""Runs whose process died without a word (killed, out of memory, power) still say RUNNING."""

from __future__ import annotations

import os
import platform

import psutil

from transferlab.tracking.store import Store, brief_timeouts, reported

MACHINE_TAG = "transferlab.machine"
PROCESS_TAG = "transferlab.process"
ENDED_TAG = "transferlab.ended"
CLOCK_SECONDS = 60
"""A corrected clock moves every process's moment of birth by about as much."""


def process_tags() -> dict[str, str]:
    """Tags by which a later process can tell whether this one is still alive."""
    return {MACHINE_TAG: _machine(), PROCESS_TAG: _process(os.getpid())}


def close_abandoned(store: Store) -> list[str]:
    """Mark as FAILED the experiment's runs that say RUNNING though their process is gone.

    Only runs begun on this machine are judged: of others nothing can be known from here.

    Returns:
        The ids of the runs that were marked.

    Raises:
        EnvironmentProblem: the store cannot be searched or written.
    """
    with reported(store.uri, "be searched"), brief_timeouts():
        running = store.client.search_runs(
            [store.experiment_id],
            f"attributes.status = 'RUNNING' and tags.`{MACHINE_TAG}` = '{_machine()}'",
        )
        closed = []
        for run in running:
            if _alive(run.data.tags.get(PROCESS_TAG, "")):
                continue
            store.client.set_tag(run.info.run_id, ENDED_TAG, "its process is gone")
            store.client.set_terminated(run.info.run_id, "FAILED")
            closed.append(run.info.run_id)
    return closed


def _machine() -> str:
    """This machine, or this container of it: process ids mean something only within it."""
    namespace = "/proc/self/ns/pid"
    inside = os.readlink(namespace) if os.path.islink(namespace) else ""
    return f"{platform.node()} {inside}".strip()


def _process(pid: int) -> str:
    # The moment of birth tells a process from a later one that was given the same number.
    return f"{pid} {psutil.Process(pid).create_time():.0f}"


def _alive(process: str) -> bool:
    """Whether the process of a tag still runs; one that cannot be judged counts as alive."""
    match process.split():
        case [pid, born] if pid.isdigit() and born.isdigit():
            try:
                found = psutil.Process(int(pid)).create_time()
            except psutil.NoSuchProcess:
                return False
            return abs(found - int(born)) < CLOCK_SECONDS
        case _:
            return True
