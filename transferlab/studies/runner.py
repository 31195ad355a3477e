"""Running cells: several at once, each a process of its own that fails or is killed alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from transferlab.config.yaml_text import dump_yaml
from transferlab.core.files import report_disk_errors, write_text
from transferlab.studies.plan import Cell

PIPELINE_FILE = "cell.yaml"
LOG_FILE = "cell.log"
GRACE_SECONDS = 30
"""What a run that is told to stop has for closing its tracking."""
LOG_TAIL_BYTES = 20_000
OWN = "transferlab: "
"""How a run begins the sentence that says why it ended."""


class Runner(Protocol):
    """Runs one cell after another, from several threads."""

    def run(self, cell: Cell) -> str:
        """Run a cell to its end; returns why it failed, or "" where it did not."""

    def stop(self) -> None:
        """End what runs, and start nothing more."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a cell ended."""

    cell: Cell
    reason: str
    """Why it failed; empty where it did not."""
    seconds: float


def default_workers() -> int:
    """Half of the cores, since a run's data and its arithmetic share two; at least one."""
    return max(1, (os.cpu_count() or 1) // 2)


def run_cells(cells: Sequence[Cell], runner: Runner, *, workers: int) -> Iterator[Outcome]:
    """Run cells, ``workers`` at a time; each outcome comes when its cell has ended.

    What interrupts the caller ends the running cells too; those that wait are not started.
    """
    with ThreadPoolExecutor(workers) as pool:
        try:
            waiting = [pool.submit(_timed, runner.run, cell) for cell in cells]
            for future in as_completed(waiting):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            runner.stop()


def _timed(run: Callable[[Cell], str], cell: Cell) -> Outcome:
    started = time.monotonic()
    reason = run(cell)
    return Outcome(cell=cell, reason=reason, seconds=time.monotonic() - started)


class ProcessRunner:
    """Starts ``transferlab run`` for each cell, in ``out/cells/NAME``."""

    def __init__(self, out: Path, *, workers: int, domains: Sequence[Path] = ()) -> None:
        self._out = out
        self._options = [word for folder in domains for word in ("--domains", str(folder))]
        # Runs beside each other would each take all cores, and wait for one another.
        threads = {"OMP_NUM_THREADS": "1"} if workers > 1 else {}
        self._environment = {**os.environ, **threads, "PYTHONUNBUFFERED": "1"}
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, cell: Cell) -> str:
        """Run a cell to its end; what it prints is in its folder.

        Raises:
            EnvironmentProblem: the disk does not take its files.
        """
        folder = cell_folder(self._out, cell)
        log = folder / LOG_FILE
        with report_disk_errors(log):
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / PIPELINE_FILE, dump_yaml(json.loads(cell.document)))
            with log.open("wb") as file:
                process = self._start(folder, file.fileno())
        if process is None:
            return "stopped before it began"
        try:
            code = process.wait()
        finally:
            with self._lock:
                self._running.discard(process)
        return "" if code == 0 else _why(code, log)

    def stop(self) -> None:
        """Interrupt the running cells, which go on another time; kill those that do not end."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()

    def _start(self, folder: Path, log: int) -> subprocess.Popen[bytes] | None:
        program = [sys.executable, "-m", "transferlab", "run", str(folder / PIPELINE_FILE)]
        with self._lock:
            if self._stopped:
                return None
            process = subprocess.Popen(
                [*program, "--out", str(folder), *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
            self._running.add(process)
        return process


def cell_folder(out: Path, cell: Cell) -> Path:
    """Where a cell's run lies."""
    return out / "cells" / cell.name


def _why(code: int, log: Path) -> str:
    """Why a run ended badly: its own last sentence, or the signal that killed it."""
    if code < 0:
        name = signal.Signals(-code).name
        return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    own = [line.removeprefix(OWN) for line in lines if line.startswith(OWN)]
    said = [line for line in own if not line.startswith(("warning: ", "note: "))]
    return said[-1] if said else f"ended with exit code {code}; see {log}"
