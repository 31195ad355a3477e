"""Metrics on their way to the store: collected at once, sent in batches by a thread."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from transferlab.errors import EnvironmentProblem
from transferlab.tracking.connection import Connection

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

BATCH_METRICS = 1000
"""The most that MLflow takes in one request."""

_logger = logging.getLogger(__name__)

_Ask = Callable[[str, Callable[["MlflowClient"], None]], None]


class MetricBuffer:
    """Collects metrics of any run from any thread; training never waits for the store.

    What a store does not take stays here and is sent again, so that a server's bad minute costs
    nothing. Only ``flush`` raises.
    """

    def __init__(self, connection: Connection, *, every_seconds: float) -> None:
        self._connection, self._every_seconds = connection, every_seconds
        self._waiting: dict[str, list[Metric]] = defaultdict(list)
        self._lock = threading.Lock()  # guards _waiting
        self._sending = threading.Lock()  # one sender at a time keeps the order of steps
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._send_now_and_then, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what waits is left for ``flush``."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def add(
        self,
        run_id: str,
        values: Mapping[str, float],
        *,
        step: int,
        milliseconds: int | None = None,
    ) -> None:
        """Note one value per metric name.

        Args:
            run_id: which run's.
            values: by name.
            step: the position on the curve.
            milliseconds: when they were measured, since 1970; None means now.
        """
        from mlflow.entities import Metric

        when = int(time.time() * 1000) if milliseconds is None else milliseconds
        metrics = [Metric(name, float(value), when, step) for name, value in values.items()]
        with self._lock:
            self._waiting[run_id] += metrics

    def flush(self) -> None:
        """Send all that waits, or forget it where the server is away.

        Raises:
            EnvironmentProblem: the store did not take it; it is kept.
        """
        self._send_waiting(self._connection.ask)
        if self._connection.away is not None:
            with self._lock:
                self._waiting.clear()

    def _send_waiting(self, ask: _Ask) -> None:
        with self._sending:
            with self._lock:
                waiting, self._waiting = self._waiting, defaultdict(list)
            try:
                while waiting:
                    run_id = next(iter(waiting))
                    self._send(run_id, waiting[run_id], ask)
                    del waiting[run_id]
            finally:
                with self._lock:
                    for run_id, metrics in waiting.items():
                        self._waiting[run_id] = metrics + self._waiting[run_id]

    def _send(self, run_id: str, metrics: list[Metric], ask: _Ask) -> None:
        """Send a run's metrics and take what was sent out of the list."""
        while metrics:
            batch = metrics[:BATCH_METRICS]
            ask(
                "take metrics",
                lambda client, batch=batch: client.log_batch(  # type: ignore[misc]  # a default
                    run_id, metrics=batch, synchronous=True
                ),
            )
            del metrics[:BATCH_METRICS]

    def _send_now_and_then(self) -> None:
        """Each time once: nobody waits for this thread, so it need not be patient."""
        warned = False
        while not self._stop.wait(self._every_seconds):
            if self._connection.away is not None:
                return
            try:
                self._send_waiting(self._connection.ask_once)
                warned = False
            except EnvironmentProblem as problem:
                if not warned:
                    _logger.warning("metrics are kept and will be sent again: %s", problem)
                warned = True
