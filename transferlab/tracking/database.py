"""MLflow's database, made whole or not at all, and by one process at a time.

MLflow makes it in some fifty steps. One that was stopped between two of them can be opened by
nobody, and two processes that take the steps at once collide.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock

SQLITE = "sqlite:///"
LOCK_NAME = "transferlab: make MLflow's tables"
LOCK_SECONDS = 120
"""How long to wait for another process that makes the tables of a database."""
_LOCK_NUMBER = 0x7472616E_73666572
"""PostgreSQL names such locks by a number of 64 bits; this one is in ASCII "transfer"."""
_PARTIAL = ".making-"
_JOURNALS = ("-journal", "-wal", "-shm")
"""What SQLite keeps beside a database while it writes."""
_SEED_TABLES = {"alembic_version", "workspaces"}
"""MLflow fills these while it makes the database; in all others a row is somebody's."""
_EXPERIMENTS = "experiments"
"""The last step of making a database puts MLflow's default experiment there."""


@contextmanager
def whole_database(uri: str) -> Iterator[None]:
    """The database at ``uri`` is there, whole, and no other run makes or opens it in the block.

    A file that does not exist is made; one whose making was stopped, and that holds nothing, is
    made anew. Of another database's server a lock is held, since MLflow then makes its tables.

    Args:
        uri: ``sqlite:///`` with an absolute path, or the URI of a database server.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, OSError, sqlite3.Error: it cannot be made or reached.
    """
    if not uri.startswith(SQLITE):
        with _lock_server(uri):
            yield
        return
    path = Path(uri.removeprefix(SQLITE)).resolve()  # a link stays a link
    with FileLock(f"{path}.lock"):
        if not path.exists() or is_half_made(path):
            _make(path)
        yield


def is_half_made(path: Path) -> bool:
    """Whether a file is what a stopped making leaves: MLflow's tables in part, and no row in them.

    A file that cannot be read is not taken for one: it may hold runs.
    """
    if _is_blank(path):
        return True
    try:
        # Not read-only: what a killed process had begun is rolled back first.
        with closing(sqlite3.connect(path, timeout=LOCK_SECONDS)) as database:
            # Lets a file that lost its end be read as far as it goes.
            database.execute("PRAGMA writable_schema = ON")
            query = "SELECT name FROM sqlite_master WHERE type = 'table'"
            tables = {name for (name,) in database.execute(query)}
            if not tables:
                return True
            if not tables & {"alembic_version", _EXPERIMENTS}:
                return False  # a database of something else
            own = tables - _SEED_TABLES
            return not any(_has_rows(database, table) for table in sorted(own))
    except sqlite3.DatabaseError:
        return False


def _is_blank(path: Path) -> bool:
    """Whether a file is empty or holds zeros alone, as after a loss of power."""
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            if chunk.strip(b"\0"):
                return False
    return True


def _has_rows(database: sqlite3.Connection, table: str) -> bool:
    quoted = table.replace('"', '""')
    return database.execute(f'SELECT 1 FROM "{quoted}" LIMIT 1').fetchone() is not None


def _make(path: Path) -> None:
    """Make the database beside its place, then rename it. The caller holds its lock."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for left in path.parent.glob(f".{path.name}{_PARTIAL}*"):
        left.unlink(missing_ok=True)  # of a process that was killed: nobody else holds the lock
    partial = path.with_name(f".{path.name}{_PARTIAL}{uuid.uuid4().hex[:8]}")
    try:
        store = SqlAlchemyStore(f"{SQLITE}{partial}", str(path.parent / "artifacts"))
        store.engine.dispose()
        # A journal of the file that is replaced would be rolled into the new one.
        for suffix in _JOURNALS:
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        partial.replace(path)
    finally:
        for suffix in ("", *_JOURNALS):
            Path(f"{partial}{suffix}").unlink(missing_ok=True)


@contextmanager
def _lock_server(uri: str) -> Iterator[None]:
    """Hold a lock of the database server itself, so that it works between machines too."""
    import sqlalchemy
    from mlflow.store.db.utils import create_sqlalchemy_engine

    engine = create_sqlalchemy_engine(uri)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                # Of the transaction, not of the session: a pooler may share sessions.
                statement = "SELECT pg_advisory_xact_lock(:number)"
                connection.execute(sqlalchemy.text(statement), {"number": _LOCK_NUMBER})
            elif connection.dialect.name == "mysql":
                given = {"name": LOCK_NAME[:64], "seconds": LOCK_SECONDS}
                connection.execute(sqlalchemy.text("SELECT GET_LOCK(:name, :seconds)"), given)
            elif connection.dialect.name == "mssql":
                statement = (
                    "EXEC sp_getapplock @Resource = :name, @LockMode = 'Exclusive', "
                    "@LockOwner = 'Transaction', @LockTimeout = :wait"
                )
                given = {"name": LOCK_NAME, "wait": 1000 * LOCK_SECONDS}
                connection.execute(sqlalchemy.text(statement), given)
            yield
    finally:
        engine.dispose()
