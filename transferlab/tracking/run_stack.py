"""MLflow runs that open and close with a block, and say truly how they ended."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from transferlab.errors import EnvironmentProblem
from transferlab.tracking.metric_buffer import MetricBuffer
from transferlab.tracking.stale_runs import process_tags
from transferlab.tracking.store import Store, reported

if TYPE_CHECKING:
    from mlflow.entities import Run

PARENT_TAG = "mlflow.parentRunId"
"""MLflow's own tag: by it the UI shows child runs under their parent."""

_logger = logging.getLogger(__name__)


class RunStack:
    """The open runs, the parent first."""

    def __init__(self, store: Store, buffer: MetricBuffer, *, system_metrics: bool) -> None:
        self._store, self._buffer, self._system_metrics = store, buffer, system_metrics
        self._open: list[Run] = []

    @property
    def any_open(self) -> bool:
        return bool(self._open)

    @property
    def parent_id(self) -> str:
        """The outermost open run's id."""
        return self._open_runs()[0].info.run_id

    @property
    def current_id(self) -> str:
        """The innermost open run's id."""
        return self._open_runs()[-1].info.run_id

    def _open_runs(self) -> list[Run]:
        if not self._open:
            raise RuntimeError("no run is open: log inside pipeline_run")
        return self._open

    @contextmanager
    def run(self, name: str, tags: Mapping[str, str]) -> Iterator[Run]:
        """A run for the length of a block, under the run that is open.

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
            if monitor is not None:
                monitor.finish()
            self._end(run, status)

    def _create(self, name: str, tags: Mapping[str, str]) -> Run:
        from mlflow.tracking.context.registry import resolve_tags
        from mlflow.utils.git_utils import get_git_commit

        tags = process_tags() | dict(tags)
        if self._open:
            tags[PARENT_TAG] = self.current_id
        # MLflow looks beside the program that runs; the user's project is where they work.
        commit = get_git_commit(os.getcwd())
        if commit is not None:
            tags["mlflow.source.git.commit"] = commit
        with reported(self._store.uri, "begin a run"):
            return self._store.client.create_run(
                self._store.experiment_id, run_name=name, tags=resolve_tags(tags)
            )

    def _end(self, run: Run, status: str) -> None:
        """Give the run its last word. Where an error ends it, trouble here must not hide that."""
        try:
            if status != "FINISHED":
                self._buffer.flush()
        except EnvironmentProblem as problem:
            _logger.warning("the last metrics of run %s are lost: %s", run.info.run_id, problem)
        try:
            with reported(self._store.uri, "end a run"):
                self._store.client.set_terminated(run.info.run_id, status)
        except EnvironmentProblem as problem:
            if status == "FINISHED":
                raise
            _logger.warning("run %s could not be marked %s: %s", run.info.run_id, status, problem)

    def _watch_system(self, run: Run) -> Any:
        if not self._system_metrics:
            return None
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(run.info.run_id, tracking_uri=self._store.uri)
        monitor.start()
        return monitor
