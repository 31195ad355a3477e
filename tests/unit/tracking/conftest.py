"""A store in a temporary folder, one for all tests: making its tables takes seconds."""

from __future__ import annotations

import io
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from transferlab.config.pipeline import PipelineConfig, TrackingSection
from transferlab.core.records import DomainData, DomainScore, Sample, StepReport, TaskScore
from transferlab.tracking.store import open_store
from transferlab.tracking.tracker import Tracker


@dataclass(frozen=True)
class NewStore:
    """The default store, made in an empty folder."""

    folder: Path
    uri: str
    said: str
    """What the terminal showed meanwhile."""


@pytest.fixture(scope="package")
def new_store(tmp_path_factory):
    folder, terminal = tmp_path_factory.mktemp("store"), io.StringIO()
    with chdir(folder), redirect_stdout(terminal), redirect_stderr(terminal):
        store = open_store(TrackingSection(), experiment="radiology")
    return NewStore(folder=folder, uri=store.uri, said=terminal.getvalue())


@pytest.fixture
def store_uri(new_store):
    return new_store.uri


@pytest.fixture
def section(store_uri):
    return TrackingSection(uri=store_uri, system_metrics=False)


@pytest.fixture
def config(section):
    return PipelineConfig.model_validate(
        {
            "name": "radiology",
            "seed": 7,
            "source": "scenes",
            "stream": ["chest-xray", "lectures"],
            "strategy": [{"ewc": {"strength": 100}}, "naive"],
            "tracking": section.model_dump(),
        }
    )


@pytest.fixture
def tracker(section):
    return Tracker(section, experiment="radiology", flush_seconds=0.05)


@pytest.fixture
def client(store_uri):
    return MlflowClient(store_uri)


@pytest.fixture
def data():
    samples = tuple(
        Sample(
            id=f"secret-id-{number}",
            domain="chest-xray",
            task="finding",
            kind="classify",
            media=(),
            prompt="Mrs Confidential coughs",
            answer="nodule",
            group=f"secret-group-{number // 2}",
        )
        for number in range(4)
    )
    return DomainData(
        name="chest-xray",
        version=3,
        title="Chest X-rays",
        licence="CC-BY-4.0",
        primary_metrics={"finding": "accuracy"},
        splits={"train": samples, "validation": (), "test": samples[:2]},
        digest="0123456789abcdef" * 4,
    )


@pytest.fixture
def make_score():
    def make(domain: str, value: float) -> DomainScore:
        task = TaskScore(
            task="finding",
            kind="classify",
            metric="accuracy",
            value=value,
            metrics={"accuracy": value, "macro_f1": value / 2},
            samples=2,
            groups=("a", "b"),
            sample_values=(1.0, 0.0),
            calibration={"brier": 0.125},
        )
        return DomainScore(
            domain=domain, value=value, metric="accuracy (finding)", tasks={"finding": task}
        )

    return make


@pytest.fixture
def report():
    return StepReport(
        domain="chest-xray",
        steps=10,
        samples_seen=160,
        train_samples=64,
        train_tokens=200,
        seconds=4.0,
        samples_per_second=40.0,
        peak_memory_bytes=10**9,
        losses=(1.0,) * 10,
        strategy_bytes=1234,
    )
