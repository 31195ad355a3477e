"""Folders without room or rights, stores that are none, domains without data."""

import os
import socket
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from transferlab.pipeline.environment.storage import (
    check_cache,
    check_data_root,
    check_domains,
    check_tracking,
    judge_folder,
)


def test_a_folder_that_can_be_made_is_fine_and_is_not_made(tmp_path):
    check = judge_folder("runs", tmp_path / "a" / "runs", needed_bytes=1)
    assert (check.status, check.advice) == ("ok", "")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_problem_and_a_tight_one_a_note(tmp_path):
    full = judge_folder("runs", tmp_path, needed_bytes=2**70)
    assert (full.status, full.advice[:9]) == ("problem", "make room")
    tight = judge_folder("cache", tmp_path, needed_bytes=1, wanted_bytes=2**70)
    assert tight.status == "note"


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "runs").write_text("")
    check = judge_folder("runs", tmp_path / "runs" / "mine", needed_bytes=1)
    assert (check.status, check.advice) == ("problem", "move it away")
    assert "runs is a file" in check.found


@pytest.fixture
def locked():
    """A folder into which this process may not look, also where it was started by root."""
    before = os.geteuid()
    # Not tmp_path, whose parents are one user's own.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        (folder / "mlflow.db").write_text("")
        folder.chmod(0o700 if before == 0 else 0)
        if before == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(before)
            folder.chmod(0o700)


def test_what_may_not_be_looked_into_is_a_problem(locked):
    checks = {
        "itself": judge_folder("runs", locked, needed_bytes=1),
        "inside": judge_folder("runs", locked / "runs", needed_bytes=1),
        "database": check_tracking(f"sqlite:///{locked}/mlflow.db"),
        "data": check_data_root(locked / "data"),
        "data itself": check_data_root(locked),
    }
    assert {name: one.status for name, one in checks.items()} == dict.fromkeys(checks, "problem")
    assert "may not be written" in checks["inside"].found


def test_no_home_and_no_cache_is_said(monkeypatch):
    monkeypatch.delenv("TRANSFERLAB_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError))
    check = check_cache()
    assert check.status == "problem"
    assert "TRANSFERLAB_CACHE" in check.found


@pytest.fixture
def database(tmp_path):
    """``database("table")``: the URI of a database with such a table."""

    def make(table):
        path = tmp_path / "mlflow.db"
        with closing(sqlite3.connect(path)) as opened:
            opened.execute(f"CREATE TABLE {table} (x INTEGER)")
        return f"sqlite:///{path}"

    return make


def test_a_store_of_mlflow_is_fine(database):
    assert check_tracking(database("alembic_version")).status == "ok"


def test_another_database_is_a_problem(database):
    check = check_tracking(database("patients"))
    assert (check.status, check.found.endswith("(it holds other tables)")) == ("problem", True)


def test_a_file_that_is_no_database_is_a_problem(tmp_path):
    (tmp_path / "mlflow.db").write_text("not a database, but long enough to be read as one" * 20)
    check = check_tracking(f"sqlite:///{tmp_path}/mlflow.db")
    assert (check.status, "is no MLflow database" in check.found) == ("problem", True)


def test_a_store_that_is_not_there_yet_is_not_made(tmp_path):
    assert check_tracking(f"sqlite:///{tmp_path}/mlruns/mlflow.db").status == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_server_is_there_or_not():
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert check_tracking(uri).status == "ok"
    check = check_tracking(uri)
    assert (check.status, "does not answer" in check.found) == ("problem", True)


def test_a_password_of_an_address_is_not_shown():
    assert "geheim" not in str(check_tracking("http://me:geheim@127.0.0.1:9"))
    assert "geheim" not in str(check_tracking("postgresql://me:geheim@127.0.0.1/db"))


def test_no_kind_of_store(tmp_path):
    assert check_tracking("file:///tmp/mlruns").status == "problem"


def test_a_data_root_that_is_named_must_be_there(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERLAB_DATA", str(tmp_path / "nowhere"))
    assert check_data_root(None).status == "problem"
    assert check_data_root(tmp_path).status == "ok"
    monkeypatch.delenv("TRANSFERLAB_DATA")
    assert check_data_root(None).status == "note"


def test_domains_are_told_apart_by_their_data(tmp_path, monkeypatch):
    monkeypatch.delenv("TRANSFERLAB_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    pack = tmp_path / "packs" / "slake"
    pack.mkdir(parents=True)
    empty = check_domains([], data_root=tmp_path / "packs")
    (pack / "imgs").mkdir()
    check = check_domains([], data_root=tmp_path / "packs")
    states = check.details["domains"]
    assert (states["scenes"], states["slake"], states["tqa"]) == ("generated", "present", "absent")
    assert empty.details["domains"]["slake"] == "absent", "an empty folder holds no data"
    assert check.status == "note"
    assert " tqa" in check.found
    assert "slake" not in check.found


def test_a_broken_domain_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "domains" / "torn").mkdir(parents=True)
    (tmp_path / "domains" / "torn" / "domain.yaml").write_text("name: [")
    check = check_domains([], data_root=None)
    assert "torn" in check.found
    named = check_domains([tmp_path / "domains" / "torn"], data_root=None)
    assert named.status == "problem"
