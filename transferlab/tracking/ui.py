"""Show a store in the browser: the MLflow UI, for this machine only."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

from transferlab.core.text.sanitizers import sanitize_line
from transferlab.core.text.secrets import without_secrets
from transferlab.errors import EnvironmentProblem, InputError
from transferlab.tracking.database import SQLITE, is_half_made, whole_database
from transferlab.tracking.store import SERVERS, resolve

HOST = "127.0.0.1"
MOST_LINKS = 6
"""Experiments, at most, whose pages are named."""
LAST_RUNS = 200
"""Runs that are asked for them, children included."""
STOP_SECONDS = 10
"""How long the UI may take to go after it was asked to."""


def serve(uri: str, port: int) -> int:
    """Run the MLflow UI on the store at ``uri`` until it ends or this process is told to stop.

    Args:
        uri: as ``tracking.uri`` in a pipeline.
        port: on 127.0.0.1, from 1 to 65535.

    Returns:
        The exit code: 0 when it was stopped by Ctrl-C or a termination signal.

    Raises:
        InputError: there is nothing to show at ``uri``, or a server there shows it already.
        EnvironmentProblem: the port is taken.
    """
    store = resolve(uri)
    if store.partition(":")[0] in SERVERS:
        raise InputError(f"{store} is a tracking server with a UI of its own: open it in a browser")
    if store.startswith(SQLITE) and not Path(store.removeprefix(SQLITE)).exists():
        raise InputError(
            f"there is no tracking store at {store} yet; run a pipeline first, or name another "
            "store with --tracking-uri"
        )
    check_port(port)
    _mend(store)
    pages = links(store, port)
    process = subprocess.Popen(
        command(store, port), env=_environment(store), start_new_session=True
    )
    location = sanitize_line(without_secrets(store))
    print(f"MLflow UI of {location}: http://{HOST}:{port} (Ctrl-C stops it)")
    for name, link in pages:
        print(f"runs of {sanitize_line(name)}: {link}")
    return wait_for(process)


def command(store: str, port: int) -> list[str]:
    """What is run. The store's URI is not in it: a password would show in the process list."""
    options = ["--host", HOST, "--port", str(port), "--workers", "1"]
    if store.startswith(SQLITE):
        artifacts = Path(store.removeprefix(SQLITE)).parent / "artifacts"
        options += ["--default-artifact-root", str(artifacts)]
    return [sys.executable, "-m", "mlflow", "ui", *options]


def links(store: str, port: int) -> list[tuple[str, str]]:
    """The experiments that were used last, the last one first, each with the page of its runs.

    The UI's own first page is about other things, and shows no runs. A store that cannot be read
    has none; the UI says why.
    """
    if store.startswith(SQLITE) and not Path(store.removeprefix(SQLITE)).stat().st_size:
        return []  # asking it would make its tables
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from sqlalchemy.exc import SQLAlchemyError

    try:
        client = MlflowClient(store)
        names = {one.experiment_id: one.name for one in client.search_experiments()}
        runs = client.search_runs(
            list(names), max_results=LAST_RUNS, order_by=["attributes.start_time DESC"]
        )
    except (MlflowException, SQLAlchemyError):
        return []
    used = list(dict.fromkeys(run.info.experiment_id for run in runs))[:MOST_LINKS]
    return [(names[one], f"http://{HOST}:{port}/#/experiments/{one}/runs") for one in used]


def _mend(store: str) -> None:
    """Make a database anew whose making was stopped: MLflow's UI cannot open it."""
    path = Path(store.removeprefix(SQLITE))
    # An empty file is no trouble to the UI.
    if store.startswith(SQLITE) and path.stat().st_size and is_half_made(path):
        with whole_database(store):
            pass


def _environment(store: str) -> dict[str, str]:
    return {
        # The UI is for looking: MLflow's job runner would start several more processes.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": store,
    }


def check_port(port: int) -> None:
    """
    Raises:
        EnvironmentProblem: it cannot be listened on.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise EnvironmentProblem(
                f"port {port} on {HOST} cannot be used ({error.strerror}); choose another --port"
            ) from error


def wait_for(process: subprocess.Popen[bytes]) -> int:
    """Wait for a server, and pass Ctrl-C and termination on to it and to what it started.

    Args:
        process: the leader of a session of its own.

    Returns:
        Its exit code; 0 where it was told to stop.
    """
    stopped = threading.Event()

    def pass_on(number: int, frame: FrameType | None) -> None:
        stopped.set()
        _signal_all(process, signal.SIGTERM)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        while process.poll() is None and not stopped.is_set():
            stopped.wait(0.2)
        if not stopped.is_set():
            return process.returncode
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _signal_all(process, signal.SIGKILL)
            process.wait()
        return 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _signal_all(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # it went by itself
