"""A study over two small domains, and runs as they would leave their results."""

import json
from dataclasses import dataclass, field

import numpy as np
import pytest

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.records import DomainScore, TaskScore
from transferlab.pipeline.result import write_result
from transferlab.pipeline.stages import StageStore, score_to_record
from transferlab.studies.runner import cell_folder

STAGES = {
    "zero_shot": "sequential/0/scores/cats",
    "scratch": "scratch/cats/scores/cats",
    "single": "single/cats/scores/cats",
    "sequential": "sequential/1/scores/cats",
}
SAMPLES = 20


class NoFacts:
    def of(self, stage):
        return {}


def score(right):
    """Of 20 samples in 10 groups, the first ``right`` of them answered rightly."""
    values = [float(at < right) for at in range(SAMPLES)]
    task = TaskScore(
        task="breed", kind="classify", metric="accuracy", value=float(np.mean(values)),
        metrics={"accuracy": float(np.mean(values))}, samples=SAMPLES,
        groups=[f"g{at // 2}" for at in range(SAMPLES)], sample_values=values,
    )  # fmt: skip
    return DomainScore(
        domain="cats", value=task.value, metric="accuracy (breed)", tasks={"breed": task}
    )


def entry(value, interval=None):
    return {
        "value": value, "interval": interval, "confidence": 0.95 if interval else None,
        "interval_reason": None if interval else "too few",
    }  # fmt: skip


def write_run(folder, document, right):
    """What ``transferlab run`` leaves of a run whose arms have ``right`` answers each."""
    folder.mkdir(parents=True, exist_ok=True)
    config = PipelineConfig.model_validate(json.loads(document))
    scores = {arm: score(count) for arm, count in right.items()}
    gain = scores["single"].value - scores["scratch"].value
    store = StageStore(folder, NoFacts())
    for arm, one in scores.items():
        store.save(STAGES[arm], score_to_record(one))
    content = {
        "schema_version": 2,
        "seed": config.seed,
        "scoring": {"version": 2, "likelihood": "auto"},
        "pipeline": config.model_dump(mode="json"),
        "domains": {"cats": {"digest": "d" * 64}},
        "arms": {
            arm: {"cats": {"metric": one.metric, **entry(one.value, [0.1, 0.9])}}
            for arm, one in scores.items()
        },
        "gains": [
            {"domain": "cats", "arm": "single", "over": "scratch", **entry(gain, [-0.2, 0.7])},
            {"domain": "cats", "arm": "sequential", "over": "single", **entry(0.5)},
        ],
        "summary": {"forgetting": entry(0.02 + config.seed / 100), "acc": entry(0.5)},
        "data_quantity": {"cats": {"train_samples": config.data.max_train_samples}},
        "cost": [{"seconds": 2.0}, {"seconds": 1.5}],
        "same_training": {},
    }
    write_result(folder, content)


@dataclass
class FakeRunner:
    """Writes results in no time; cells whose label is in ``failing`` fail instead."""

    out: object
    failing: tuple = ()
    ran: list = field(default_factory=list)
    stopped: bool = False

    def run(self, cell):
        self.ran.append(cell.label)
        if cell.label in self.failing:
            return "the memory is used up"
        config = json.loads(cell.document)
        quantity, seed = config["data"]["max_train_samples"], config.get("seed", 0)
        right = {"zero_shot": 4, "scratch": 5, "single": 8 + quantity // 4 + seed, "sequential": 9}
        write_run(cell_folder(self.out, cell), cell.document, right)
        return ""

    def stop(self):
        self.stopped = True


@pytest.fixture
def study_file(tmp_path):
    """``study_file("grid: ...")``: a study over a pipeline of cats that lies beside it."""
    (tmp_path / "animals.yaml").write_text(
        "name: animals\nstream: [cats]\nstrategy:\n  - ewc: {strength: 1}\ntrain:\n  epochs: 2\n"
    )

    def call(text):
        path = tmp_path / "study.yaml"
        path.write_text(f"name: animals-study\npipeline: animals.yaml\n{text}")
        return path

    return call


@pytest.fixture
def quantities(study_file):
    """Two quantities at two seeds."""
    return study_file("grid:\n  data.max_train_samples: [4, 8]\n  seed: [0, 1]\n")


@pytest.fixture
def fake_runner():
    return FakeRunner
