"""A tracking database is whole or not there, whatever stops its making."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from types import SimpleNamespace

import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from transferlab.config.pipeline import TrackingSection
from transferlab.errors import EnvironmentProblem
from transferlab.tracking.database import is_half_made, whole_database
from transferlab.tracking.store import open_store


def in_a_child(work: Callable[[], object]) -> int:
    """Fork, which spares the seconds of MLflow's import; the child's id."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def kill_when(child: int, due: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not due():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def size(path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # not there yet, or a journal that is gone again


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mlflow.db"


@pytest.fixture
def whole(new_store):
    """A finished database that holds an experiment."""
    return new_store.folder / "mlruns" / "mlflow.db"


def opens(path) -> bool:
    return bool(open_store(TrackingSection(uri=f"sqlite:///{path}"), experiment="x").experiment_id)


@pytest.mark.parametrize("kilobytes", [1, 200, 700])
def test_a_killed_making_leaves_no_database_and_the_next_run_makes_one(path, kilobytes):
    def make():
        with whole_database(f"sqlite:///{path}"):
            pass

    def beside_has_grown() -> bool:
        return any(size(one) > kilobytes << 10 for one in path.parent.glob(".mlflow.db.making-*"))

    kill_when(in_a_child(make), beside_has_grown)
    assert not path.exists()
    if kilobytes == 700:  # opening costs two seconds
        assert opens(path)
        assert sorted(one.name for one in path.parent.iterdir()) == ["mlflow.db", "mlflow.db.lock"]


@pytest.mark.parametrize("kilobytes", [1, 200, 700])
def test_what_mlflow_leaves_when_it_is_killed_is_half_made(path, kilobytes):
    """As transferlab made it before: in its place."""
    child = in_a_child(lambda: SqlAlchemyStore(f"sqlite:///{path}", str(path.parent)))
    kill_when(child, lambda: size(path) > kilobytes << 10)
    assert is_half_made(path)


def test_a_half_made_one_is_made_anew_and_its_journal_does_no_harm(path):
    child = in_a_child(lambda: SqlAlchemyStore(f"sqlite:///{path}", str(path.parent)))
    journal = path.with_name("mlflow.db-journal")
    kill_when(child, lambda: size(path) > 300 << 10 and size(journal) > 0)
    assert opens(path)
    assert not journal.exists()


@pytest.mark.parametrize("content", [b"", b"\0" * 8192])
def test_a_blank_file_is_half_made(path, content):
    path.write_bytes(content)
    assert is_half_made(path)


def test_a_database_without_tables_is_half_made(path):
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 3")
    assert is_half_made(path)


def test_one_that_lost_its_end_before_it_held_anything_is_half_made(path):
    child = in_a_child(lambda: SqlAlchemyStore(f"sqlite:///{path}", str(path.parent)))
    kill_when(child, lambda: size(path) > 200 << 10)
    with path.open("r+b") as file:
        file.truncate(size(path) // 4096 * 4096 - 4096)
    half_made = is_half_made(path)
    assert half_made or refused(path)  # which page was lost decides whether all can be counted


def refused(path) -> bool:
    with pytest.raises(EnvironmentProblem):
        opens(path)
    return True


def test_a_finished_database_is_never_remade(whole, path):
    shutil.copy(whole, path)
    assert not is_half_made(path)
    before = path.read_bytes()
    with whole_database(f"sqlite:///{path}"):
        pass
    assert path.read_bytes() == before


def test_a_database_with_a_run_is_never_remade_whatever_is_missing(whole, path):
    """An upgrade of MLflow that was stopped, or tables that somebody dropped."""
    shutil.copy(whole, path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE alembic_version")
        database.execute("DELETE FROM experiments")
        database.execute("INSERT INTO runs (run_uuid) VALUES ('1')")
    assert not is_half_made(path)


@pytest.mark.parametrize("pages", [3, 40, 120])
def test_a_truncated_database_with_runs_is_refused_and_left_alone(
    whole, path, config, tmp_path, pages
):
    shutil.copy(whole, path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA foreign_keys = OFF")
        rows = [(f"run-{number}", "x" * 200) for number in range(3000)]
        database.executemany("INSERT INTO runs (run_uuid, name) VALUES (?, ?)", rows)
    with path.open("r+b") as file:
        file.truncate(pages * 4096)
    before = path.read_bytes()
    assert refused(path)
    assert path.read_bytes() == before


def test_a_foreign_file_is_left_alone(path):
    path.write_bytes(b"hello")
    assert not is_half_made(path)
    path.unlink()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE recipes (name TEXT)")
    assert not is_half_made(path)


def test_two_first_runs_share_one_database_and_one_experiment(tmp_path):
    section = TrackingSection(uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db")

    def begin():
        store = open_store(section, experiment="radiology")
        store.client.create_run(store.experiment_id)

    children = [in_a_child(begin) for _ in range(2)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    store = open_store(section, experiment="radiology")
    assert len(store.client.search_runs([store.experiment_id])) == 2


def test_an_experiment_that_another_run_makes_in_this_moment_is_used(section, monkeypatch):
    """The moment between looking for it and making it."""
    real, told = MlflowClient.get_experiment_by_name, []

    def late(self, name):
        told.append(name)
        return None if len(told) == 1 else real(self, name)

    first = open_store(section, experiment="quick")
    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", late)
    assert open_store(section, experiment="quick").experiment_id == first.experiment_id
    assert len(told) == 2


def test_threads_of_one_process_make_one_database(path):
    section = TrackingSection(uri=f"sqlite:///{path}")
    with ThreadPoolExecutor() as pool:
        opened = pool.map(lambda _: open_store(section, experiment="x").experiment_id, range(2))
        assert len(set(opened)) == 1


@pytest.mark.parametrize(
    ("dialect", "lock"),
    [
        ("postgresql", "pg_advisory_xact_lock"),
        ("mysql", "GET_LOCK"),
        ("mssql", "sp_getapplock"),
    ],
)
def test_a_server_is_asked_for_a_lock_while_its_tables_are_made(monkeypatch, dialect, lock):
    """Three first runs at once on an empty PostgreSQL were tried by hand; here the mechanism."""
    events: list[str] = []

    class Connection:
        def __init__(self):
            self.dialect = SimpleNamespace(name=dialect)

        def execute(self, statement, given):
            events.append(str(statement))

    class Engine:
        @contextmanager
        def begin(self):
            yield Connection()
            events.append("released")

        def dispose(self):
            events.append("closed")

    monkeypatch.setattr("mlflow.store.db.utils.create_sqlalchemy_engine", lambda uri: Engine())
    with whole_database(f"{dialect}://db/mlflow"):
        events.append("made")
    assert lock in events[0]
    assert events[1:] == ["made", "released", "closed"]
