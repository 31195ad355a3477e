"""Asking a store that may go away: patiently for a while, and then not any more.

A run does not wait for its tracking. What a server does not take is made again from the run's
directory when the same command is given again, so nothing has to be kept for it here.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from transferlab.core.files import write_text
from transferlab.core.text.secrets import hide
from transferlab.errors import EnvironmentProblem
from transferlab.tracking.database import SQLITE
from transferlab.tracking.store import SERVERS, Store, reported, scheme_of

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PATIENCE_SECONDS = 45.0
"""How long a server that does not answer is asked again, all in all, while the run waits."""
REQUEST_SECONDS = 15
"""How long one request may take; the last may begin when patience is almost at its end."""
ANSWER_SECONDS = 40.0
"""How long the whole of a request may take, also where what sends it knows no limit: drivers of
databases wait for hours for a machine that fell off the network."""
PAUSE_SECONDS = 2.0
UNSENT_FILE = "tracking.unsent"
"""Lies in the directory of a finished run whose tracking server lacks some of it."""
_TRANSIENT = (401, 403, 408, 429)
"""HTTP statuses below 500 that say nothing about what was sent."""

Answer = TypeVar("Answer")


class Connection:
    """The way to a store. A local database answers or its trouble is raised; a server may be away.

    Once a server has stayed away, nothing is asked of it any more.
    """

    def __init__(self, store: Store, *, warn: Callable[[str], None]) -> None:
        """
        Args:
            store: an open one.
            warn: is called once, in a sentence, when a server stays away.
        """
        self.store, self._warn = store, warn
        self._local = store.uri.startswith(SQLITE)
        self.away: str | None = None
        """Why nothing is asked any more, in a sentence; None while the store is used."""
        self._silent_since: float | None = None
        """When the first request began that the run waits for; None while the store answers."""

    def ask(self, what: str, request: Callable[[MlflowClient], Answer]) -> Answer | None:
        """Make a request, again and again while a server does not answer.

        Args:
            what: completes "the store cannot ...", for the sentence.
            request: may be called several times.

        Returns:
            The answer; None where the server is away.

        Raises:
            EnvironmentProblem: a local store did not take it, or a server refuses it for good.
        """
        while self.away is None:
            begun = time.monotonic()
            try:
                answer = self.ask_once(what, request)
            except EnvironmentProblem as problem:
                if self._local or refuses(problem):
                    raise
                # Patience is for all requests together: after Ctrl-C too the last ones are tried.
                self._silent_since = self._silent_since or begun
                if time.monotonic() + PAUSE_SECONDS >= self._silent_since + PATIENCE_SECONDS:
                    self._give_up(problem)
                else:
                    time.sleep(PAUSE_SECONDS)
            else:
                self._silent_since = None
                return answer
        return None

    def ask_once(self, what: str, request: Callable[[MlflowClient], Answer]) -> Answer:
        """Make a request once.

        Raises:
            EnvironmentProblem: the store did not take it.
        """
        with reported(self.store.uri, what):
            if self._local:
                return request(self.store.client)
            return run_within(ANSWER_SECONDS, lambda: request(self.store.client))

    def _give_up(self, problem: EnvironmentProblem) -> None:
        sentence = str(problem).removeprefix("tracking.uri: ")
        self.away = sentence.partition(", so the store cannot")[0].partition("; ")[0]
        if scheme_of(self.store.uri) not in SERVERS:
            reason = hide(str(problem.__cause__), self.store.uri).strip().partition("\n")[0]
            self.away += f" ({reason})"
        self._warn(
            f"{self.away}; the run goes on without it and loses nothing: when it is back, give the "
            "same command with the same --out, and everything is sent"
        )


def run_within(seconds: float, work: Callable[[], Answer]) -> Answer:
    """What ``work`` returns or raises, if that takes no longer than so many seconds.

    It goes on in a thread of its own where it does, which nobody waits for any more.

    Raises:
        TimeoutError: it takes longer.
    """
    found: Future[Answer] = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except BaseException as error:  # noqa: BLE001  # raised again by whoever waits
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return found.result(seconds)
    except TimeoutError as error:
        if found.done():
            raise
        raise TimeoutError(f"timed out after {seconds:g} seconds") from error


def refuses(problem: EnvironmentProblem) -> bool:
    """Whether a server answered that it will never take a request."""
    from mlflow.exceptions import RestException

    cause = problem.__cause__
    if not isinstance(cause, RestException):
        return False
    status = cause.get_http_status_code()
    return 400 <= status < 500 and status not in _TRANSIENT


@contextmanager
def bound_requests(store: Store) -> Iterator[None]:
    """Keep MLflow from repeating a request to a silent server for half an hour by itself.

    What the user has set in the environment holds.
    """
    if scheme_of(store.uri) not in SERVERS:
        yield
        return
    bounds = {
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(REQUEST_SECONDS),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }
    ours = {name: value for name, value in bounds.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def note_unsent(out: Path, connection: Connection) -> None:
    """Leave a note in the directory of a run whose server lacks some of it, or take it away.

    Raises:
        EnvironmentProblem: the directory cannot be written.
    """
    note = out / UNSENT_FILE
    if connection.away is None:
        note.unlink(missing_ok=True)
    else:
        write_text(note, f"{connection.away}\n")
