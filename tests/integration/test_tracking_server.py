"""A tracking server that goes away in the middle of a run, behind a gate that can be shut."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from transferlab.cli.inputs import prepare_output
from transferlab.config.pipeline import PipelineConfig
from transferlab.config.yaml_sections import load_yaml
from transferlab.core.events import TrainStep, Warned, ignore
from transferlab.errors import InputError
from transferlab.pipeline.run import run
from transferlab.tracking import connection

SMOKE = Path(__file__).parents[2] / "pipelines" / "smoke.yaml"
STEPS = 4

pytestmark = pytest.mark.integration


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Gate:
    """A port before a server's: open, "silent" (takes connections, says nothing) or "closed"."""

    def __init__(self, target: int) -> None:
        self.target, self.port, self.mode = target, free_port(), "open"
        self._pairs: list[socket.socket] = []
        self._listener = self._listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _listen(self) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        listener.settimeout(0.1)
        return listener

    def set(self, mode: str) -> None:
        """What is on its way already is cut off."""
        self.mode = mode
        for one in self._pairs:
            if mode != "silent":
                one.close()
        self._pairs.clear()

    def _serve(self) -> None:
        while True:
            try:
                taken, _ = self._listener.accept()
            except TimeoutError:
                continue
            if self.mode == "closed":
                taken.close()
                continue
            threading.Thread(target=self._carry, args=(taken,), daemon=True).start()

    def _carry(self, taken: socket.socket) -> None:
        beyond = socket.create_connection(("127.0.0.1", self.target))
        self._pairs += [taken, beyond]
        for one, other in ((taken, beyond), (beyond, taken)):
            threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                if self.mode == "silent":
                    time.sleep(60)
                    return
                other.sendall(data)
        except OSError:
            return


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.2)
        yield port
        process.terminate()
        process.wait(20)


@pytest.fixture
def gate(server, monkeypatch):
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 4.0)
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 2)
    monkeypatch.setattr(connection, "PAUSE_SECONDS", 0.5)
    return Gate(server)


def config_of(gate: Gate, name: str) -> PipelineConfig:
    overrides = [
        f"tracking.uri=http://127.0.0.1:{gate.port}", f"name={name}", "export=[]",
        f"train.max_steps={STEPS}", "train.epochs=4", "train.checkpoint_steps=1",
        "evaluation.max_test_samples=6", "arms=[zero_shot,single]",
    ]  # fmt: skip
    return load_yaml(SMOKE, PipelineConfig, overrides=overrides)


def curves(gate: Gate, name: str) -> dict[str, list[int]]:
    """The steps of the loss of the newest parent's children, by their names."""
    client = MlflowClient(f"http://127.0.0.1:{gate.port}")
    experiment = client.get_experiment_by_name(name).experiment_id
    runs = client.search_runs([experiment], order_by=["attributes.start_time DESC"])
    parents = [one for one in runs if "mlflow.parentRunId" not in one.data.tags]
    assert parents[0].info.status == "FINISHED"
    # This process lives on, and with it the others count as running.
    assert all(one.info.status != "FINISHED" for one in parents[1:])
    found = {}
    for one in runs:
        if one.data.tags.get("mlflow.parentRunId") == parents[0].info.run_id:
            history = client.get_metric_history(one.info.run_id, "train/loss")
            found[one.info.run_name] = sorted(point.step for point in history)
    return found


WHOLE = {
    f"{arm}: {domain}": list(range(1, STEPS + 1))
    for arm, domain in (
        ("sequential 1", "chest-xray"), ("sequential 2", "lectures"),
        ("single", "chest-xray"), ("single", "lectures"),
    )
}  # fmt: skip


@pytest.mark.parametrize("mode", ["silent", "closed"])
def test_a_server_that_goes_away_costs_seconds_and_gets_everything_later(gate, tmp_path, mode):
    config, said = config_of(gate, f"away-{mode}"), []
    out = tmp_path / "out"

    def listener(event) -> None:
        if isinstance(event, Warned):
            said.append((time.monotonic(), event.text))
        if isinstance(event, TrainStep) and (event.stage, event.step) == (
            "sequential 1/2: chest-xray",
            2,
        ):
            gate.set(mode)
            shut.append(time.monotonic())

    shut: list[float] = []
    result = run(config, out, listener=listener)
    away = [(when, text) for when, text in said if "goes on without it" in text]
    assert len(away) == 1
    assert "the tracking server at http://127.0.0.1" in away[0][1]
    assert (out / "result.json").exists()
    assert (out / connection.UNSENT_FILE).exists()
    assert prepare_output(out, name="x", overwrite=False) == out
    gate.set("open")
    again = run(config, out, listener=ignore)
    for key in ("scores", "summary", "arms", "gains", "controls"):
        assert again[key] == result[key], key
    assert curves(gate, f"away-{mode}") == WHOLE
    assert not (out / connection.UNSENT_FILE).exists()
    with pytest.raises(InputError, match="holds a finished run"):
        prepare_output(out, name="x", overwrite=False)


class Killed(BaseException):
    """Stands for a signal: nothing catches it."""


def test_a_run_that_is_gone_on_with_shows_whole_curves(gate, tmp_path):
    config = config_of(gate, "killed")
    for stage, step in (("sequential 1/2: chest-xray", 3), ("sequential 2/2: lectures", 2)):

        def kill(event, moment=(stage, step)) -> None:
            if isinstance(event, TrainStep) and (event.stage, event.step) == moment:
                raise Killed

        with pytest.raises(Killed):
            run(config, tmp_path / "out", listener=kill)
    run(config, tmp_path / "out", listener=ignore)
    assert curves(gate, "killed") == WHOLE
