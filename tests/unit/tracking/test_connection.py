"""How long a run waits for a store, and what it does without one."""

from __future__ import annotations

import os
import socket
import time
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException, RestException
from mlflow.tracking import MlflowClient

from transferlab.core.events import TrainStep
from transferlab.errors import EnvironmentProblem
from transferlab.tracking import connection as module
from transferlab.tracking.connection import UNSENT_FILE, Connection, bound_requests, run_within
from transferlab.tracking.store import Store
from transferlab.tracking.tracker import Tracker

SERVER = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.05)


@pytest.fixture
def said():
    return []


def connection_to(uri, said, client=None) -> Connection:
    return Connection(Store(client=client, uri=uri, experiment_id="1"), warn=said.append)


def refused_connection(*args, **kwargs):
    raise MlflowException(f"API request to {SERVER}/api failed with exception Connection refused")


def test_a_server_that_is_back_in_time_costs_nothing(said):
    answers = iter([refused_connection, refused_connection, lambda client: "answer"])
    server = connection_to(SERVER, said)
    assert server.ask("take metrics", lambda client: next(answers)(client)) == "answer"
    assert (server.away, said) == (None, [])


def test_one_that_stays_away_is_said_once_and_not_asked_again(said):
    server, asked = connection_to(SERVER, said), []

    def ask(client):
        asked.append(time.monotonic())
        refused_connection(client)

    begun = time.monotonic()
    assert server.ask("take metrics", ask) is None
    assert 0.8 < time.monotonic() - begun < 3
    assert len(asked) > 2
    before = len(asked)
    assert server.ask("end a run", ask) is None
    assert len(asked) == before
    assert said == [
        f"the tracking server at {SERVER} does not answer (connection refused); the run goes on "
        "without it and loses nothing: when it is back, give the same command with the same --out, "
        "and everything is sent"
    ]


def test_patience_is_for_all_requests_of_a_silence_together(said):
    """After Ctrl-C a run tries to say its last word; it must not begin to wait anew."""
    server, begun = connection_to(SERVER, said), time.monotonic()

    def interrupted_late(client):
        if time.monotonic() - begun > 0.7:
            raise KeyboardInterrupt
        refused_connection()

    with pytest.raises(KeyboardInterrupt):
        server.ask("take metrics", interrupted_late)
    assert server.ask("end a run", refused_connection) is None
    assert time.monotonic() - begun < 1.5


def test_what_a_server_refuses_for_good_is_raised_at_once(said):
    def refuse(client):
        raise RestException({"error_code": "INVALID_PARAMETER_VALUE", "message": "no such name"})

    begun = time.monotonic()
    with pytest.raises(EnvironmentProblem, match=r"refused .*no such name"):
        connection_to(SERVER, said).ask("take metrics", refuse)
    assert time.monotonic() - begun < 0.8


@pytest.mark.parametrize("code", ["INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "PERMISSION_DENIED"])
def test_trouble_of_a_server_is_as_its_absence(said, code):
    def fail(client):
        raise RestException({"error_code": code, "message": "later"})

    server = connection_to(SERVER, said)
    assert server.ask("take metrics", fail) is None
    assert server.away is not None


def test_a_database_server_may_be_away_too_and_shows_no_password(said):
    server = connection_to("postgresql://me:hush@db/mlflow", said)

    def fail(client):
        raise MlflowException("(psycopg2.OperationalError) server closed the connection of hush")

    assert server.ask("take metrics", fail) is None
    assert said[0].startswith(
        "the tracking store at postgresql://me:***@db/mlflow cannot take metrics "
        "((psycopg2.OperationalError) server closed the connection of ***); the run goes on"
    )
    assert "hush" not in said[0]


def test_a_local_store_is_not_waited_for(said):
    def fail(client):
        raise MlflowException("(sqlite3.OperationalError) database or disk is full")

    store = connection_to("sqlite:////a/mlflow.db", said)
    with pytest.raises(EnvironmentProblem, match="the disk is full; make room"):
        store.ask("take metrics", fail)
    assert (store.away, said) == (None, [])


def test_a_silent_server_holds_a_request_for_a_moment_only(said, monkeypatch):
    monkeypatch.setattr(module, "REQUEST_SECONDS", 1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        server = connection_to(uri, said, MlflowClient(uri))
        begun = time.monotonic()
        with bound_requests(server.store):
            assert server.ask("end a run", lambda client: client.set_terminated("1")) is None
        assert time.monotonic() - begun < 4
    assert "does not answer (timed out)" in said[0]
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_a_driver_that_knows_no_limit_is_given_up(said, monkeypatch):
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.3)
    database = connection_to("postgresql://db/mlflow", said)
    begun = time.monotonic()
    assert database.ask("take metrics", lambda client: time.sleep(20)) is None
    assert time.monotonic() - begun < 3
    assert "cannot take metrics (timed out after 0.3 seconds)" in said[0]


def test_what_a_request_raises_is_raised_by_whoever_waits():
    with pytest.raises(TimeoutError, match="its own"):
        run_within(5, lambda: (_ for _ in ()).throw(TimeoutError("its own")))
    assert run_within(5, lambda: "answer") == "answer"


def test_a_users_own_bounds_hold(monkeypatch, said):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    with bound_requests(connection_to(SERVER, said).store):
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"


def step(number: int) -> TrainStep:
    return TrainStep(
        stage="s", step=number, total_steps=4, loss=1 / number, learning_rate=0.1,
        samples_per_second=9.0,
    )  # fmt: skip


def losses(client, run) -> list[tuple[int, float]]:
    history = client.get_metric_history(run.info.run_id, "train/loss")
    return [(one.step, one.value) for one in history]


@pytest.fixture
def server(section, monkeypatch, said):
    """A tracker whose store counts as a server, and a switch that takes it away."""
    tracker = Tracker(section, experiment="radiology", warn=said.append)
    monkeypatch.setattr(tracker._connection, "_local", False)
    real = tracker._connection.store.client

    class Client:
        away = False

        def __getattr__(self, name):
            return refused_connection if self.away else getattr(real, name)

    client = Client()
    store = SimpleNamespace(**{**vars(tracker._connection.store), "client": client})
    store.public_uri = "the server"
    monkeypatch.setattr(tracker._connection, "store", store)
    return tracker, client


def test_a_run_ends_without_its_server_and_is_whole_when_it_is_given_again(
    server, section, client, config, said, tmp_path
):
    tracker, switch = server
    curve = tmp_path / "stage.curve"
    with tracker.pipeline_run(config, tmp_path):
        with tracker.child_run("first", tags={}, curve=curve):
            tracker.listener(step(1))
            switch.away = True
            tracker.listener(step(2))
            tracker.log_json("x.json", {})
        with tracker.child_run("second", tags={}) as second:
            tracker.log_params({"a": "b"})
            tracker.log_summary({})
        assert second is None
    assert len(said) == 1
    assert (tmp_path / UNSENT_FILE).read_text().startswith("the tracking store at")
    again = Tracker(section, experiment="radiology")
    with (
        again.pipeline_run(config, tmp_path),
        again.child_run("first", tags={}, curve=curve) as first,
    ):
        pass  # it is trained already
    assert losses(client, first) == [(1, 1.0), (2, 0.5)]
    assert not (tmp_path / UNSENT_FILE).exists()


def test_a_run_may_begin_without_its_server(server, config, said, tmp_path):
    """It went while the data were being read."""
    tracker, switch = server
    switch.away = True
    with tracker.pipeline_run(config, tmp_path) as run:
        tracker.listener(step(1))
        assert tracker.address()["run_id"] is None
    assert run is None
    assert (tmp_path / UNSENT_FILE).exists()


def test_a_training_that_goes_on_from_a_checkpoint_has_each_step_once(
    section, client, config, tmp_path
):
    curve = tmp_path / "stage.curve"
    runs = []
    for steps in ([1, 2, 3], [2, 3, 4]):
        tracker = Tracker(section, experiment="radiology")
        with (
            tracker.pipeline_run(config, tmp_path),
            tracker.child_run("stage", tags={}, curve=curve) as run,
        ):
            runs.append(run)
            for number in steps:
                tracker.listener(step(number))
    assert losses(client, runs[1]) == [(number, 1 / number) for number in (1, 2, 3, 4)]
