"""Open the MLflow store that a pipeline names, or say in one sentence why it cannot be used."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from transferlab.config.pipeline import TrackingSection
from transferlab.core.files import advice, machine_error, why
from transferlab.core.text.secrets import hide, hide_in_text, without_secrets
from transferlab.errors import EnvironmentProblem, InputError
from transferlab.tracking.database import SQLITE, whole_database

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SERVERS = ("http", "https")
DATABASES = ("postgresql", "mysql", "mssql")
TRAINING_VIEW = {"mlflow.experimentKind": "custom_model_development"}
"""Without it MLflow's UI opens the experiment among traces and prompts, not among its runs."""
ANSWER_SECONDS = 4
"""How long a tracking server may take to answer the first question; it is asked twice."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """An open store and the experiment that runs go into."""

    client: MlflowClient
    uri: str
    """Absolute, so that it means the same from every working directory."""
    experiment_id: str

    @property
    def public_uri(self) -> str:
        """The URI as it may be printed and written down."""
        return without_secrets(self.uri)


def open_store(section: TrackingSection, *, experiment: str) -> Store:
    """Open the store, made when it is a local file, and the experiment, made when it is new.

    Args:
        section: ``uri`` is ``sqlite:///`` with a path relative to the working directory (four
            slashes: absolute), a tracking server's http(s) address, or another database.
        experiment: used when the section names no experiment.

    Raises:
        InputError: the URI is of a kind that cannot be used.
        EnvironmentProblem: the store cannot be written, or the server does not answer.
    """
    uri = resolve(section.uri)
    if uri.startswith(SQLITE):
        _make_folder(Path(uri.removeprefix(SQLITE)).parent)
    client = connect(uri)
    name = section.experiment or experiment
    with reported(uri, "be opened"), brief_timeouts():
        found_id = _experiment_id(client, name, artifact_root(section, uri))
    return Store(client=client, uri=uri, experiment_id=found_id)


def _experiment_id(client: MlflowClient, name: str, artifacts: str | None) -> str:
    """The experiment of a name; made when it is new, restored when it was deleted."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=artifacts, tags=TRAINING_VIEW)
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
            # Another run was quicker: two began it at once.
    if found.lifecycle_stage != "active":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


def resolve(uri: str) -> str:
    """The URI with a local path made absolute.

    Raises:
        InputError: the URI is of a kind that cannot be used.
    """
    if uri.startswith(SQLITE):
        return SQLITE + str(Path(uri.removeprefix(SQLITE)).absolute())
    scheme = scheme_of(uri)
    if scheme in SERVERS and re.search(r"[?#]", uri):
        raise InputError(
            f"tracking.uri: '{without_secrets(uri)}' is no address of a tracking server, which has "
            "neither ? nor #; give a token in $MLFLOW_TRACKING_TOKEN, or a name and a password in "
            "$MLFLOW_TRACKING_USERNAME and $MLFLOW_TRACKING_PASSWORD"
        )
    if scheme in SERVERS or scheme.partition("+")[0] in DATABASES:
        return uri
    raise InputError(
        f"tracking.uri: '{without_secrets(uri)}' is no store that runs can be kept in; give "
        "'sqlite:///mlruns/mlflow.db', a tracking server's http(s) address, or a postgresql, "
        "mysql or mssql URI"
    )


def scheme_of(uri: str) -> str:
    """What stands before ``://``, in lower case; a password may keep the rest from being parsed."""
    return uri.partition("://")[0].lower() if "://" in uri else ""


def artifact_root(section: TrackingSection, uri: str) -> str | None:
    """Where a new experiment's artifacts go; None leaves it to a tracking server.

    A local database keeps them beside itself.
    """
    if section.artifacts is not None:
        return section.artifacts
    if uri.startswith(SQLITE):
        return str(Path(uri.removeprefix(SQLITE)).parent / "artifacts")
    return None if scheme_of(uri) in SERVERS else "mlruns/artifacts"


def connect(uri: str) -> MlflowClient:
    """A client of the store at ``uri``; nothing is asked of the store yet.

    Raises:
        EnvironmentProblem: the database's driver is missing or its file cannot be opened.
    """
    client = client_class()
    # A new database is announced, with every step of its making, on the user's terminal.
    for name in ("mlflow.store.db.utils", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # It gives up at the first trouble of a server; that is told once, by transferlab.
    logging.getLogger("mlflow.system_metrics").setLevel(logging.ERROR)
    # The same error is raised, and becomes one sentence.
    logging.getLogger("mlflow.store.db.utils").addFilter(_no_second_account)
    for handler in logging.getLogger("mlflow").handlers:
        handler.addFilter(_without_secrets)
    with reported(uri, "be opened"):
        if scheme_of(uri) in SERVERS:
            return client(uri)
        with whole_database(uri):
            return client(uri)


def _without_secrets(record: logging.LogRecord) -> bool:
    """A filter of logging that lets everything pass, without the secrets of addresses."""
    record.msg, record.args = hide_in_text(record.getMessage()), None
    return True


def _no_second_account(record: logging.LogRecord) -> bool:
    """A filter of logging that drops tracebacks of errors that are raised as well."""
    return record.exc_info is None


def client_class() -> type[MlflowClient]:
    """MLflow's client, which takes a second and 100 MB to import."""
    # Whenever a run ends MLflow prints its server's address, with the password in it.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    from mlflow.tracking import MlflowClient

    return MlflowClient


@contextmanager
def reported(uri: str, what: str) -> Iterator[None]:
    """Turn whatever a store raises into one sentence: "the store at URI cannot ``what``".

    Raises:
        EnvironmentProblem: in place of what MLflow, its database or its server raised.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, ModuleNotFoundError) as error:
        raise EnvironmentProblem(_sentence(uri, what, error)) from error


def _sentence(uri: str, what: str, error: Exception) -> str:
    shown = without_secrets(uri)
    reason = hide(str(error), uri).strip().partition("\n")[0]
    if isinstance(error, ModuleNotFoundError):
        return (
            f"tracking.uri: the driver '{error.name}' of the store at {shown} is not installed; "
            f"pip install {error.name}, or use another store"
        )
    if scheme_of(uri) in SERVERS:
        answer = hide(_answer(error), uri)
        return (
            f"tracking.uri: the tracking server at {shown} {answer}, so the store cannot "
            f"{what}; start it (mlflow server) or set tracking.uri to a local store such as "
            "'sqlite:///mlruns/mlflow.db'"
        )
    number = machine_error(error)
    if number is not None:
        return (
            f"tracking.uri: the tracking store at {shown} cannot {what}: {why(number)}; "
            f"{advice(number)}, and give the same command again: what is finished is kept"
        )
    return (
        f"tracking.uri: the tracking store at {shown} cannot {what}; check that it is an MLflow "
        f"database that you may write, or set tracking.uri ({reason})"
    )


def _answer(error: Exception) -> str:
    """What a server did, from MLflow's long account of a failed request."""
    from mlflow.exceptions import RestException

    text = str(error).strip().partition("\n")[0]
    if isinstance(error, RestException):
        return f"refused ({text})"
    if "failed with error code" in text:
        code = text.partition("failed with error code ")[2].partition(" ")[0]
        return f"answers as no MLflow server does (HTTP status {code})"
    for known in ("Connection refused", "timed out", "Failed to resolve"):
        if known in text:
            return f"does not answer ({known.lower()})"
    return "does not answer"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(
            f"tracking.uri: the folder {folder} cannot be made ({error.strerror}); "
            "set tracking.uri to a place that you may write"
        ) from error
    if not os.access(folder, os.W_OK):
        raise EnvironmentProblem(
            f"tracking.uri: the folder {folder} cannot be written; "
            "set tracking.uri to a place that you may write"
        )


@contextmanager
def brief_timeouts() -> Iterator[None]:
    """MLflow asks a silent server for many minutes; here it is a newcomer who waits."""
    brief = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(ANSWER_SECONDS),
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    }
    before = {name: os.environ.get(name) for name in brief}
    os.environ.update(brief)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
