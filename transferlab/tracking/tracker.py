"""One pipeline in MLflow: a parent run, a child run per step and arm, and what they hold."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transferlab.config.pipeline import PipelineConfig, TrackingSection
from transferlab.core.events import Event, TrainStep, Warned
from transferlab.core.records import (
    SCORING_VERSION,
    DomainData,
    DomainScore,
    SplitName,
    StepReport,
)
from transferlab.core.text.sanitizers import sanitize_line
from transferlab.core.text.secrets import without_secrets
from transferlab.errors import EnvironmentProblem
from transferlab.metrics.similarity import Similarity
from transferlab.tracking import metric_names
from transferlab.tracking.artifacts import Artifacts
from transferlab.tracking.connection import Connection, bound_requests, note_unsent
from transferlab.tracking.curves import Curve, Point
from transferlab.tracking.datasets import dataset_input
from transferlab.tracking.metric_buffer import MetricBuffer
from transferlab.tracking.params import BATCH_PARAMS, flatten, shorten
from transferlab.tracking.provenance import provenance
from transferlab.tracking.run_stack import RunStack
from transferlab.tracking.stale_runs import close_abandoned
from transferlab.tracking.store import open_store

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

DESCRIPTION_TAG = "mlflow.note.content"
"""MLflow's own tag: the text at the top of a run's page."""

_logger = logging.getLogger(__name__)


class Tracker:
    """Keeps one pipeline's runs.

    What is logged goes to the innermost open run. Metrics may be logged from any thread; runs are
    opened and closed by one. Metrics are sent within seconds, everything else at once; what a
    store does not take raises EnvironmentProblem.
    """

    def __init__(
        self,
        section: TrackingSection,
        *,
        experiment: str,
        warn: Callable[[str], None] = _logger.warning,
        flush_seconds: float = 5.0,
    ) -> None:
        """
        Args:
            section: which store.
            experiment: used when the section names none.
            warn: is called in a sentence when the store's server stays away.
            flush_seconds: between two batches of metrics.

        Raises:
            InputError: ``section.uri`` is of a kind that cannot be used.
            EnvironmentProblem: the store cannot be written, or its server does not answer.
        """
        store = open_store(section, experiment=experiment)
        self._connection = Connection(store, warn=warn)
        self._buffer = MetricBuffer(self._connection, every_seconds=flush_seconds)
        self._runs = RunStack(self._connection, self._buffer, system_metrics=section.system_metrics)
        self._curve: Curve | None = None
        self._warnings: list[str] = []
        for run_id in close_abandoned(store):
            _logger.warning("run %s was left by a process that died; marked as FAILED", run_id)

    @property
    def uri(self) -> str:
        """The store, absolute, without a password."""
        return self._connection.store.public_uri

    @property
    def run_id(self) -> str | None:
        """The parent run, while it is open; None where its server was away."""
        return (self._runs.parent_id or None) if self._runs.any_open else None

    def address(self) -> dict[str, str | None]:
        """Where the parent run is found again: ``tracking_uri`` and ``run_id``."""
        return {"tracking_uri": self.uri, "run_id": self.run_id}

    @contextmanager
    def pipeline_run(self, config: PipelineConfig, out: Path) -> Iterator[Run | None]:
        """The parent run, with the settings, the versions and the machine; None without a server.

        It ends FINISHED, KILLED on Ctrl-C, and FAILED on any other way out of the block. Where the
        server stayed away, ``out`` gets a note, by which the run can be given again to send it all.
        """
        settings = loggable(config)
        tags = {f"env.{name}": value for name, value in provenance().items()}
        tags |= {"scoring.version": str(SCORING_VERSION), "seed": str(config.seed)}
        strategy = " + ".join(one.name for one in config.strategy)
        tags |= {"out": out.name, "stream": ", ".join(config.stream), "strategy": strategy}
        self._buffer.start()
        try:
            with bound_requests(self._connection.store):
                with self._runs.run(f"{config.name} {strategy} seed {config.seed}", tags) as run:
                    self.log_params(flatten(settings))
                    self.log_yaml("config.yaml", settings)
                    try:
                        yield run
                    finally:
                        self._keep_warnings()
                note_unsent(out, self._connection)
        finally:
            self._buffer.stop()

    @contextmanager
    def child_run(
        self, name: str, *, tags: Mapping[str, str], curve: Path | None = None
    ) -> Iterator[Run | None]:
        """A step of the stream or an arm, under the open run; it ends as ``pipeline_run`` does.

        Args:
            name: of the run.
            tags: its own.
            curve: the file that keeps its training metrics for later processes; what earlier ones
                kept there is logged too, so that a run that is gone on with has the whole curve.
        """
        with self._runs.run(name, tags) as run:
            self._curve = None if curve is None else Curve(curve)
            try:
                yield run
                if self._curve is not None and not self._curve.begun:
                    self._log_points(self._curve.points())  # trained before this process
            finally:
                self._curve = None

    def _log_points(self, points: Iterable[Point]) -> None:
        for one in points:
            self._buffer.add(
                self._runs.current_id, one.values, step=one.step, milliseconds=one.milliseconds
            )

    def _log_training(self, event: TrainStep) -> None:
        values = metric_names.training(event)
        if self._curve is None:
            self.log_metrics(values, step=event.step)
            return
        if not self._curve.begun:
            self._log_points(self._curve.begin(event.step))
        self._log_points([self._curve.add(event.step, values)])

    def listener(self, event: Event) -> None:
        """A ``core.events.Listener``: training steps become metrics, warnings a file."""
        if isinstance(event, Warned):
            self._warnings.append(event.text)
        elif isinstance(event, TrainStep):
            self._log_training(event)

    def log_metrics(self, values: Mapping[str, float], *, step: int = 0) -> None:
        self._buffer.add(self._runs.current_id, dict(values), step=step)

    def log_params(self, params: Mapping[str, str]) -> None:
        """Log flat params; one that is too long for a store is cut and kept whole as a file."""
        from mlflow.entities import Param

        short = {key: shorten(key, value) for key, value in params.items()}
        for key, value in params.items():
            if short[key] != value:
                self.log_text(f"params/{key}.txt", value)
        rows = [Param(key, value) for key, value in short.items()]
        run_id = self._runs.current_id

        def send(client: MlflowClient) -> None:
            for start in range(0, len(rows), BATCH_PARAMS):
                client.log_batch(run_id, params=rows[start : start + BATCH_PARAMS])

        self._connection.ask("take params", send)

    def log_dataset(self, data: DomainData, *, split: SplitName, context: str) -> None:
        """Log which data a run saw: name, version, digest, licence and counts; no content, no ids.

        Args:
            data: the domain.
            split: the part that was used.
            context: what for, e.g. "train" or "test".
        """
        run_id, inputs = self._runs.current_id, [dataset_input(data, split, context)]
        self._connection.ask(
            "take a dataset", lambda client: client.log_inputs(run_id, datasets=inputs)
        )

    def log_scores(self, scores: Mapping[str, DomainScore], *, after: str, step: int) -> None:
        """One row of the score matrix: ``score/<domain>`` over the steps of the stream.

        Args:
            scores: by domain.
            after: what the row was measured after.
            step: 0 before any adaptation.
        """
        self.log_metrics(metric_names.scores(scores), step=step)
        row = {name: {"value": one.value, "metric": one.metric} for name, one in scores.items()}
        self.log_json(f"scores/{step}-{after}.json", row)

    def log_step(self, report: StepReport, scores: Mapping[str, DomainScore]) -> None:
        """What a training cost and saw, and every metric of the scores after it."""
        self.log_metrics(metric_names.quantity_and_cost(report))
        self.log_metrics(metric_names.scores(scores) | metric_names.tasks(scores))

    def log_similarity(self, domain: str, measured: Sequence[Similarity]) -> None:
        """How far ``domain`` is from the source, on the backbone before any adaptation.

        The open run gets ``similarity/<measure>``, the same names for every domain, so that steps
        can be compared; the parent gets ``similarity/<domain>/<measure>``, all of them together.
        """
        self.log_metrics(metric_names.similarity(measured))
        together = metric_names.similarity(measured, under=f"{domain}/")
        self._buffer.add(self._runs.parent_id, together, step=0)
        self.log_json(f"similarity/{domain}.json", [asdict(one) for one in measured])

    def log_adapted_similarity(self, measured: Mapping[str, Sequence[Similarity]]) -> None:
        """The same by domain, on the backbone after the last step."""
        series = "similarity_adapted"
        for domain, found in measured.items():
            if found:
                names = metric_names.similarity(found, under=f"{domain}/", series=series)
                self.log_metrics(names)
                self.log_json(f"{series}/{domain}.json", [asdict(one) for one in found])

    def log_interference(self, cosines: Mapping[str, float]) -> None:
        """How far the step's domain and each earlier one pull the parameters the same way."""
        self.log_metrics(metric_names.interference(cosines))

    def log_changes(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Plasticity and stability over the steps of the stream, as result.json has them."""
        for number, step in enumerate(steps, start=1):
            self.log_metrics(metric_names.changes(step), step=number)

    def log_gains(self, gains: Sequence[Mapping[str, Any]]) -> None:
        """Transfer gains, as result.json has them."""
        self.log_metrics(metric_names.gains(gains))
        self.log_json("gains.json", list(gains))

    def log_summary(
        self, summary: Mapping[str, Mapping[str, Any]], answer: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """ACC, BWT and the like, and what was found in sentences, as result.json has them."""
        self.log_metrics(metric_names.summary(summary))
        self.log_json("summary.json", dict(summary))
        run_id, note = self._runs.current_id, metric_names.summary_note(summary, answer)
        self._connection.ask(
            "take a description", lambda client: client.set_tag(run_id, DESCRIPTION_TAG, note)
        )

    def log_text(self, name: str, text: str) -> None:
        self._artifacts().log_text(name, text)

    def log_json(self, name: str, content: Any) -> None:
        self._artifacts().log_json(name, content)

    def log_yaml(self, name: str, content: Mapping[str, Any]) -> None:
        self._artifacts().log_yaml(name, content)

    def log_figure(self, name: str, figure: Figure) -> None:
        """A matplotlib figure, kept in the format of the name's ending, e.g. ``scores.png``."""
        self._artifacts().log_figure(name, figure)

    def _artifacts(self) -> Artifacts:
        return Artifacts(self._connection, self._runs.current_id)

    def _keep_warnings(self) -> None:
        """Called on every way out of a pipeline: trouble here must not hide what ended it."""
        if not self._warnings:
            return
        try:
            lines = "\n".join(map(sanitize_line, self._warnings))
            self.log_text("warnings.txt", f"{lines}\n")
        except EnvironmentProblem as problem:
            _logger.warning("warnings.txt could not be kept: %s", problem)


def loggable(config: PipelineConfig) -> dict[str, Any]:
    """The checked settings as plain values, the secrets of addresses left out."""
    return {key: _public(value) for key, value in config.model_dump(mode="json").items()}


def _public(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _public(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_public(item) for item in value]
    return without_secrets(value) if isinstance(value, str) else value
