"""Threads before torch is loaded: what a container grants, and what the user has set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from transferlab.cli.cores import SPINS, arrange_threads

ROOT = Path(__file__).parents[3]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """``machine({"path": "content"})`` is the root of one with eight cores and these files."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)

    def made(files):
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        return tmp_path

    return made


V2, V1 = {"proc/self/cgroup": "0::/\n"}, {"proc/self/cgroup": "9:cpuset:/a\n4:cpu,cpuacct:/a/b\n"}
OWN, TIME = "sys/fs/cgroup/cpu,cpuacct/a/b", "cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("files", "threads"),
    [
        ({}, None),
        (V2, None),
        (V2 | {"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        (V2 | {"sys/fs/cgroup/cpu.max": "200000 100000\n"}, "2"),
        (V2 | {"sys/fs/cgroup/cpu.max": "150000 100000\n"}, "2"),
        (V2 | {"sys/fs/cgroup/cpu.max": "20000 100000\n"}, "1"),
        (V2 | {"sys/fs/cgroup/cpu.max": "6400000 100000\n"}, None),  # more than there are cores
        (
            {
                "proc/self/cgroup": "0::/pod/box\n",
                "sys/fs/cgroup/pod/cpu.max": "300000 100000\n",
                "sys/fs/cgroup/pod/box/cpu.max": "max 100000\n",
            },
            "3",
        ),
        ({"proc/self/cgroup": "0::/of/the/host\n", "sys/fs/cgroup/cpu.max": "1000 1000\n"}, "1"),
        (V1 | {f"{OWN}/cpu.cfs_quota_us": "400000\n", f"{OWN}/{TIME}": "100000\n"}, "4"),
        (V1 | {f"{OWN}/cpu.cfs_quota_us": "-1\n", f"{OWN}/{TIME}": "100000\n"}, None),
    ],
)
def test_the_quota_says_how_many_threads(machine, files, threads):
    environment = {}
    arrange_threads(environment, root=machine(files))
    assert environment.get("OMP_NUM_THREADS") == threads
    assert environment["GOMP_SPINCOUNT"] == SPINS


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT"])
def test_a_count_of_the_users_is_left_alone(machine, name):
    root = machine(V2 | {"sys/fs/cgroup/cpu.max": "200000 100000\n"})
    environment = {name: "7"}
    arrange_threads(environment, root=root)
    assert environment == {name: "7", "GOMP_SPINCOUNT": SPINS}


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"])
def test_waiting_of_the_users_is_left_alone(machine, name):
    environment = {name: "active"}
    arrange_threads(environment, root=machine({}))
    assert environment == {name: "active"}


def test_the_command_settles_it_before_torch_is_loaded():
    script = (
        "import os, sys\n"
        "import transferlab.__main__ as command\n"
        "assert 'torch' not in sys.modules and 'GOMP_SPINCOUNT' not in os.environ\n"
        "sys.argv = ['transferlab', '--version']\n"
        "command.run_process()\n"
        "print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)\n"
    )
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**plain, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == f"{SPINS} False"
