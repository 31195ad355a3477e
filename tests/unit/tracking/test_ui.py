"""The browser's view of a store."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from mlflow.tracking import MlflowClient

from transferlab.errors import EnvironmentProblem, InputError
from transferlab.tracking import ui


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(InputError, match="no tracking store"):
        ui.serve(f"sqlite:///{tmp_path}/mlflow.db", 5000)
    assert list(tmp_path.iterdir()) == []


def test_a_server_has_its_own_ui():
    with pytest.raises(InputError, match="open it in a browser"):
        ui.serve("http://127.0.0.1:1", 5000)


def test_a_taken_port_is_one_sentence(tmp_path):
    (tmp_path / "mlflow.db").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentProblem, match=f"port {port} .* choose another --port"):
            ui.serve(f"sqlite:///{tmp_path}/mlflow.db", port)


def test_only_this_machine_sees_it_and_no_password_is_in_the_process_list():
    command = ui.command("postgresql://me:hush@db/x", 5001)
    assert command[:3] == [sys.executable, "-m", "mlflow"]
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--port") + 1] == "5001"
    assert "hush" not in " ".join(command)


def test_the_pages_of_the_runs_are_named(tracker, config, tmp_path):
    with tracker.pipeline_run(config, tmp_path / "out"):
        pass
    (name, link), *_ = ui.links(tracker.uri, 5001)  # the store is shared with other tests
    assert name == config.name
    experiment = MlflowClient(tracker.uri).get_experiment_by_name(name).experiment_id
    assert link == f"http://127.0.0.1:5001/#/experiments/{experiment}/runs"


def test_a_store_that_cannot_be_read_has_no_pages(tmp_path):
    (tmp_path / "mlflow.db").touch()
    assert ui.links(f"sqlite:///{tmp_path}/mlflow.db", 5001) == []
    assert (tmp_path / "mlflow.db").stat().st_size == 0
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)
    assert ui.links(f"sqlite:///{tmp_path}/mlflow.db", 5001) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_ui_and_what_it_started(tmp_path, number):
    # The stand-in starts a child of its own, as MLflow's server does, and both sleep.
    stand_in = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    program = (
        "import sys\n"
        "from transferlab.tracking import ui\n"
        f"ui.command = lambda store, port: [sys.executable, '-c', {stand_in!r}]\n"
        f"open({str(tmp_path / 'mlflow.db')!r}, 'w').close()\n"
        f"sys.exit(ui.serve('sqlite:///{tmp_path}/mlflow.db', {_free_port()}))\n"
    )
    shown = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    deadline = time.monotonic() + 15
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline, "the stand-in never started"
        time.sleep(0.05)
    child = int((tmp_path / "pid").read_text())
    shown.send_signal(number)
    assert shown.wait(10) == 0
    while _running(child):
        assert time.monotonic() < deadline, "the grandchild outlived the command"
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _running(pid: int) -> bool:
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
