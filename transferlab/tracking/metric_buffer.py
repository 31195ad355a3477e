"""Metrics on their way to the store: collected at once, sent in batches by a thread."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from transferlab.errors import EnvironmentProblem
from transferlab.tracking.store import Store, reported

if TYPE_CHECKING:
    from mlflow.entities import Metric

BATCH_METRICS = 1000
"""The most that MLflow takes in one request."""

_logger = logging.getLogger(__name__)


class MetricBuffer:
    """Collects metrics of any run from any thread; training never waits for the store.

    What a store does not take stays here and is sent again, so that a server's bad minute costs
    nothing. Only ``flush`` raises.
    """

    def __init__(self, store: Store, *, every_seconds: float) -> None:
        self._store, self._every_seconds = store, every_seconds
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

    def add(self, run_id: str, values: dict[str, float], *, step: int) -> None:
        """Note one value per metric name, with the time of now."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now, step) for name, value in values.items()]
        with self._lock:
            self._waiting[run_id] += metrics

    def flush(self) -> None:
        """Send all that waits.

        Raises:
            EnvironmentProblem: the store did not take it; it is kept.
        """
        with self._sending:
            with self._lock:
                waiting, self._waiting = self._waiting, defaultdict(list)
            try:
                while waiting:
                    run_id = next(iter(waiting))
                    self._send(run_id, waiting[run_id])
                    del waiting[run_id]
            finally:
                with self._lock:
                    for run_id, metrics in waiting.items():
                        self._waiting[run_id] = metrics + self._waiting[run_id]

    def _send(self, run_id: str, metrics: list[Metric]) -> None:
        """Send a run's metrics and take what was sent out of the list."""
        while metrics:
            with reported(self._store.uri, "take metrics"):
                self._store.client.log_batch(
                    run_id, metrics=metrics[:BATCH_METRICS], synchronous=True
                )
            del metrics[:BATCH_METRICS]

    def _send_now_and_then(self) -> None:
        while not self._stop.wait(self._every_seconds):
            try:
                self.flush()
            except EnvironmentProblem as problem:
                _logger.warning("metrics are kept and will be sent again: %s", problem)
