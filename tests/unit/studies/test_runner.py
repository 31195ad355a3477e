"""Cells beside each other: one that fails or is killed fails alone, and a stop ends them all."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from transferlab.studies import runner
from transferlab.studies.plan import Cell
from transferlab.studies.runner import ProcessRunner, cell_folder, default_workers, run_cells

CELLS = [
    Cell(name=f"cell-{at}", settings={"seed": at}, document='{"name": "x"}') for at in range(6)
]


class Counting:
    """How many cells run at once, each for a moment."""

    def __init__(self):
        self.now, self.most, self.ran, self.stopped = 0, 0, [], False
        self.lock = threading.Lock()

    def run(self, cell):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.02)
        with self.lock:
            self.now -= 1
            self.ran.append(cell.name)
        return "broken" if cell.name == "cell-2" else ""

    def stop(self):
        self.stopped = True


def programs(monkeypatch, code):
    """Cells run this Python in place of transferlab; its arguments are those of the run."""
    start = subprocess.Popen

    def popen(arguments, **how):
        assert arguments[:4] == [sys.executable, "-m", "transferlab", "run"]
        return start([sys.executable, "-c", code, *arguments[4:]], **how)

    monkeypatch.setattr(runner.subprocess, "Popen", popen)


def test_one_cell_fails_alone_and_no_more_run_than_asked():
    counting = Counting()
    found = list(run_cells(CELLS, counting, workers=3))
    assert {one.cell.name: one.reason for one in found if one.reason} == {"cell-2": "broken"}
    assert len(found) == len(CELLS)
    assert counting.most == 3
    assert min(one.seconds for one in found) >= 0.02


def test_who_stops_early_starts_nothing_more():
    counting = Counting()
    for outcome in run_cells(CELLS, counting, workers=1):
        assert outcome.cell.name == "cell-0"
        break
    assert counting.stopped
    assert len(counting.ran) < 3


def test_a_cell_is_a_run_in_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    programs(monkeypatch, "import sys, os; print(*sys.argv[1:], os.environ['OMP_NUM_THREADS'])")
    cells = ProcessRunner(tmp_path, workers=2, domains=[tmp_path / "mine"])
    assert cells.run(CELLS[0]) == ""
    folder = cell_folder(tmp_path, CELLS[0])
    assert (folder / "cell.yaml").read_text() == "name: x\n"
    log = (folder / "cell.log").read_text()
    assert log == f"{folder / 'cell.yaml'} --out {folder} --domains {tmp_path / 'mine'} 1\n"


def test_one_worker_keeps_the_threads_of_its_caller(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    programs(monkeypatch, "import os; print(os.environ.get('OMP_NUM_THREADS'))")
    ProcessRunner(tmp_path, workers=1).run(CELLS[0])
    assert (cell_folder(tmp_path, CELLS[0]) / "cell.log").read_text() == "None\n"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "import sys; print('transferlab: warning: odd\\ntransferlab: the disk is full\\n"
            "transferlab: note: x'); sys.exit(5)",
            "the disk is full",
        ),
        ("import sys; sys.exit(3)", "ended with exit code 3; see "),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL (out of memory?)"),
    ],
)
def test_why_a_cell_failed_is_said(tmp_path, monkeypatch, code, reason):
    programs(monkeypatch, code)
    assert ProcessRunner(tmp_path, workers=1).run(CELLS[0]).startswith(reason)


def test_a_stop_ends_what_runs(tmp_path, monkeypatch):
    programs(monkeypatch, "import time; print('on', flush=True); time.sleep(60)")
    cells = ProcessRunner(tmp_path, workers=1)
    reasons = []
    thread = threading.Thread(target=lambda: reasons.append(cells.run(CELLS[0])))
    thread.start()
    log = cell_folder(tmp_path, CELLS[0]) / "cell.log"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (log.exists() and log.read_text()):
        time.sleep(0.02)
    cells.stop()
    thread.join(30)
    assert reasons == [f"killed by {signal.SIGTERM.name}"]
    assert cells.run(CELLS[1]) == "stopped before it began"


def test_there_is_always_a_worker(monkeypatch):
    for cores, workers in ((None, 1), (1, 1), (2, 1), (8, 4)):
        monkeypatch.setattr(runner.os, "cpu_count", lambda cores=cores: cores)
        assert default_workers() == workers
