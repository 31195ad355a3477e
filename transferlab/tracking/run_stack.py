"""MLflow runs that open and close with a block, and say truly how they ended."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from transferlab.errors import EnvironmentProblem
from transferlab.tracking.connection import Connection
from transferlab.tracking.metric_buffer import MetricBuffer
from transferlab.tracking.stale_runs import process_tags

if TYPE_CHECKING:
    from mlflow.entities import Run

PARENT_TAG = "mlflow.parentRunId"
"""MLflow's own tag: by it the UI shows child runs under their parent."""

FINISH_SECONDS = 30.0
"""How long the last system metrics of a run are waited for."""

_logger = logging.getLogger(__name__)


class RunStack:
    """The open runs, the parent first."""

    def __init__(
        self, connection: Connection, buffer: MetricBuffer, *, system_metrics: bool
    ) -> None:
        self._connection, self._buffer = connection, buffer
        self._system_metrics = system_metrics
        self._open: list[Run | None] = []

    @property
    def any_open(self) -> bool:
        return bool(self._open)

    @property
    def parent_id(self) -> str:
        """The outermost open run's id; empty where its server was away."""
        return _id(self._open_runs()[0])

    @property
    def current_id(self) -> str:
        """The innermost open run's id; empty where its server was away."""
        return _id(self._open_runs()[-1])

    def _open_runs(self) -> list[Run | None]:
        if not self._open:
            raise RuntimeError("no run is open: log inside pipeline_run")
        return self._open

    @contextmanager
    def run(self, name: str, tags: Mapping[str, str]) -> Iterator[Run | None]:
        """A run for the length of a block, under the run that is open; None with a server away.

        It ends FINISHED, KILLED on Ctrl-C, and FAILED on any other way out of the block.

        Raises:
            EnvironmentProblem: the store does not take the run, or the last of its metrics.
        """
        run = self._create(name, tags)
        self._open.append(run)
        status, monitor = "FAILED", None
        try:
            monitor = self._watch_system(run)
            yield run
            self._buffer.flush()
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            self._open.pop()
            self._end(run, status, monitor)

    def _create(self, name: str, tags: Mapping[str, str]) -> Run | None:
        from mlflow.tracking.context.registry import resolve_tags
        from mlflow.utils.git_utils import get_git_commit

        tags = process_tags() | dict(tags)
        if self._open:
            tags[PARENT_TAG] = self.current_id
        # MLflow looks beside the program that runs; the user's project is where they work.
        commit = get_git_commit(os.getcwd())
        if commit is not None:
            tags["mlflow.source.git.commit"] = commit
        return self._connection.ask(
            "begin a run",
            lambda client: client.create_run(
                self._connection.store.experiment_id, run_name=name, tags=resolve_tags(tags)
            ),
        )

    def _end(self, run: Run | None, status: str, monitor: Any) -> None:
        """Give the run its last word. Where an error ends it, trouble here must not hide that."""
        try:
            if status != "FINISHED":
                self._buffer.flush()
        except EnvironmentProblem as problem:
            _logger.warning("the last metrics of run %s are lost: %s", _id(run), problem)
        if monitor is not None:
            # After the flush, which finds out whether somebody listens.
            self._stop_watching(monitor)
        if run is None:
            return
        run_id = run.info.run_id
        try:
            self._connection.ask("end a run", lambda client: client.set_terminated(run_id, status))
        except EnvironmentProblem as problem:
            if status == "FINISHED":
                raise
            _logger.warning("run %s could not be marked %s: %s", run_id, status, problem)

    def _watch_system(self, run: Run | None) -> Any:
        if not self._system_metrics or run is None:
            return None
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(run.info.run_id, tracking_uri=self._connection.store.uri)
        monitor.start()
        return monitor

    def _stop_watching(self, monitor: Any) -> None:
        # It sends the rest, and would wait for a server: where one is away, let it do so by itself.
        finishing = threading.Thread(target=monitor.finish, daemon=True)
        finishing.start()
        finishing.join(0 if self._connection.away is not None else FINISH_SECONDS)


def _id(run: Run | None) -> str:
    return "" if run is None else run.info.run_id
