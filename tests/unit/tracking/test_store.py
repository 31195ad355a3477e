"""Opening stores, and the sentences for those that cannot be opened."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from filelock import FileLock

from transferlab.config.pipeline import TrackingSection
from transferlab.errors import EnvironmentProblem, InputError
from transferlab.tracking.store import open_store, resolve


def refusal(uri: str, error: type[Exception] = EnvironmentProblem) -> str:
    with pytest.raises(error) as caught:
        open_store(TrackingSection(uri=uri), experiment="x")
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_the_default_store_is_made_where_the_user_works(new_store, client):
    assert new_store.uri == f"sqlite:///{new_store.folder}/mlruns/mlflow.db"
    assert (new_store.folder / "mlruns" / "mlflow.db").exists()
    experiment = client.get_experiment_by_name("radiology")
    assert experiment.artifact_location == f"{new_store.folder}/mlruns/artifacts"
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


def test_two_runs_do_not_make_one_store_at_the_same_time(tmp_path):
    """MLflow's migrations fail when another process is in the middle of them."""
    section = TrackingSection(uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    with ThreadPoolExecutor() as pool:
        with FileLock(tmp_path / "mlflow.db.lock"):
            opening = pool.submit(open_store, section, experiment="radiology")
            with pytest.raises(TimeoutError):
                opening.result(timeout=1)
            assert not (tmp_path / "mlflow.db").exists()
        assert opening.result(timeout=60).experiment_id


def test_a_new_store_says_nothing_on_the_terminal(new_store):
    assert new_store.said == ""


def test_an_experiment_is_used_again_even_after_it_was_deleted(section):
    first = open_store(section, experiment="again")
    assert open_store(section, experiment="again").experiment_id == first.experiment_id
    first.client.delete_experiment(first.experiment_id)
    reopened = open_store(section, experiment="again")
    assert reopened.experiment_id == first.experiment_id
    assert first.client.get_experiment(first.experiment_id).lifecycle_stage == "active"


def test_the_section_names_experiment_and_artifacts(section, tmp_path):
    named = section.model_copy(update={"experiment": "mine", "artifacts": str(tmp_path / "files")})
    store = open_store(named, experiment="ignored")
    experiment = store.client.get_experiment(store.experiment_id)
    assert (experiment.name, experiment.artifact_location) == ("mine", str(tmp_path / "files"))


def test_a_closed_port_is_one_sentence_at_once():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begun = time.monotonic()
    text = refusal(f"http://127.0.0.1:{port}")
    assert time.monotonic() - begun < 5
    assert f"http://127.0.0.1:{port} does not answer (connection refused)" in text
    assert "sqlite:///mlruns/mlflow.db" in text


def test_a_silent_server_is_given_up_within_ten_seconds(monkeypatch):
    monkeypatch.setattr("transferlab.tracking.store.ANSWER_SECONDS", 1)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun = time.monotonic()
        text = refusal(f"http://127.0.0.1:{silent.getsockname()[1]}")
    # Two attempts of ANSWER_SECONDS (1 here, 4 in use), and at most a second between them.
    assert time.monotonic() - begun < 4
    assert "does not answer (timed out)" in text
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"


def test_a_server_that_is_no_mlflow_server_is_named_as_such():
    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Nothing)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        text = refusal(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
    assert "answers as no MLflow server does (HTTP status 404)" in text


def test_an_unwritable_folder_is_one_sentence():
    text = refusal("sqlite:////proc/nowhere/mlflow.db")
    assert "the folder /proc/nowhere cannot be made" in text


def test_a_file_that_is_no_database_is_one_sentence(tmp_path):
    broken = tmp_path / "mlflow.db"
    broken.write_text("hello")
    text = refusal(f"sqlite:///{broken}")
    assert "cannot be opened" in text
    assert "file is not a database" in text


def test_a_missing_driver_names_what_to_install():
    text = refusal("mssql+pymssql://me:hush@127.0.0.1:1/mlflow")
    assert "pip install pymssql" in text
    assert "hush" not in text


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/mlruns", "sqlite:mlflow.db", "ftp://host"])
def test_other_kinds_of_uri_are_the_users_mistake(uri):
    text = refusal(uri, InputError)
    assert f"'{uri}'" in text
    assert "sqlite:///mlruns/mlflow.db" in text


def test_resolve_keeps_an_absolute_path():
    assert resolve("sqlite:////a/b.db") == "sqlite:////a/b.db"


def test_mlflow_is_quiet_but_not_mute(section):
    open_store(section, experiment="quiet")
    assert logging.getLogger("mlflow.store.db.utils").isEnabledFor(logging.WARNING)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
