"""A result as a finished run leaves it, with all that a report shows."""

import copy

import pytest

from transferlab.config.pipeline import PipelineConfig
from transferlab.pipeline.result import write_result

FEW = "task 'view' of cats has 3 test group(s), and an interval needs 5"


def task(metric, value, interval=None):
    reason = None if interval else FEW
    return {
        "metric": metric, "value": value, "interval": interval, "interval_reason": reason,
        "metrics": {metric: value}, "samples": 50, "groups": 12,
    }  # fmt: skip


def scored(value, **tasks):
    return {
        "value": value, "metric": "mean", "tasks": tasks,
        "interval": [value - 0.1, value + 0.1], "interval_reason": None,
    }  # fmt: skip


def domain(title, role, licence="CC0-1.0"):
    return {
        "version": 3, "title": title, "licence": licence, "source_kind": "table",
        "digest": "abcdef0123456789" * 4, "role": role, "quarantined": 1 if role == "stream" else 0,
        "samples": {"train": 1400, "validation": 200, "test": 400}, "removed": {"name": 2},
    }  # fmt: skip


def measure(name, value, p):
    return {
        "name": name, "features": "joint", "value": value, "baseline_mean": 1.5,
        "baseline_std": 0.25, "p_value": p, "permutations": 19, "source_samples": 60,
        "target_samples": 58,
    }  # fmt: skip


def gain(name, arm, over, value, interval):
    return {
        "domain": name, "arm": arm, "over": over, "value": value, "interval": interval,
        "interval_reason": None if interval else FEW,
        "negative_transfer": bool(interval) and interval[1] < 0,
    }  # fmt: skip


def pipeline():
    config = PipelineConfig(
        name="animals",
        source="scenes",
        stream=["cats", "dogs"],
        strategy=[{"ewc": {"strength": 7}}, "naive"],
    )
    return config.model_dump(mode="json")


def summary(value, interval, reason=None):
    return {
        "value": value, "interval": interval, "interval_reason": reason, "definition": "as defined",
    }  # fmt: skip


CONTENT = {
    "schema_version": 1,
    "seed": 5,
    "scoring": {"version": 2, "likelihood": "auto"},
    "domains": {
        "scenes": domain("Scenes", "source"),
        "cats": domain("Cats", "stream", licence="CC-BY-NC-4.0"),
        "dogs": domain("Dogs", "stream"),
    },
    "answer": [
        {"about": "best_arm", "text": "cats: single scores best, 0.700 [0.600, 0.800]."},
        {"about": "next", "text": "next: several seeds."},
    ],
    "scores": {
        "columns": [{"domain": name, "metric": f"accuracy of {name}"} for name in ("cats", "dogs")],
        "rows": [
            {"after": "pretrained", "values": {"cats": 0.2, "dogs": 0.25}},
            {"after": "cats", "values": {"cats": 0.811, "dogs": 0.26}},
            {"after": "dogs", "values": {"cats": 0.6, "dogs": 0.922}},
        ],
    },
    "summary": {
        "acc": summary(0.755, [0.71, 0.8]),
        "bwt": summary(-0.05, None, FEW),
        "fwt_over_scratch": summary(None, None),
    },
    "steps": [
        {
            "domain": name, "plasticity": 0.611, "stability": None, "interference": past,
            "terms": {"ewc_penalty": 0.0123},
        }
        for name, past in (("cats", {}), ("dogs", {"cats": -0.031}))
    ],
    "arms": {
        "zero_shot": {"cats": scored(0.2, breed=task("accuracy", 0.2, [0.1, 0.3]))},
        "single": {"cats": scored(0.7, breed=task("accuracy", 0.7, [0.6, 0.8]))},
        "sequential": {"cats": scored(0.6, breed=task("accuracy", 0.6))},
    },
    "gains": [
        gain("cats", "single", "zero_shot", 0.5, [0.4, 0.6]),
        gain("cats", "sequential", "single", -0.1, [-0.18, -0.02]),
        gain("dogs", "single", "zero_shot", 0.01, None),
    ],
    "controls": {"cats": {"breed": {
        "metric": "accuracy", "majority": 0.31, "no_image": 0.45, "pixels": None, "reasons": {},
    }}},
    "similarity": {
        "cats": [measure("frechet", 1234.5, 0.05), measure("mmd", 0.5, 0.2)],
        "dogs": [measure("frechet", 99.0, 1.0)],
    },
    "similarity_adapted": {"cats": [measure("frechet", 31.0, 0.05)], "dogs": []},
    "data_quantity": {
        "cats": {"train_samples": 320, "train_tokens": 1001},
        "dogs": {"train_samples": 300, "train_tokens": 999},
    },
    "cost": [{
        "arm": "single", "domain": "cats", "steps": 60, "samples_seen": 960, "seconds": 200.0,
        "samples_per_second": 4.8, "peak_memory_bytes": 3 * 2**30, "strategy_bytes": 0,
        "strategy_seconds": 0.0,
    }],
    "same_training": {"joint": "sequential"},
    "quarantined": [{"domain": "cats", "where": "row 3 of secret.csv", "reason": "no pixels"}],
    "mlflow": {"tracking_uri": "sqlite:////home/ann/mlflow.db", "run_id": "1", "experiment": "e"},
    "environment": {"transferlab": "1.2.3", "torch": "2.9.9", "cpu_cores": "2"},
    "exports": [{
        "kind": "adapter", "path": "exports/adapter", "status": "done", "reason": "",
        "total_bytes": 2**20, "max_logit_difference": 1e-6, "tolerance": 1e-4,
    }],
}  # fmt: skip


@pytest.fixture
def result():
    return copy.deepcopy(CONTENT) | {"pipeline": pipeline()}


@pytest.fixture
def finished(tmp_path, result):
    """The directory of a finished run."""
    folder = tmp_path / "run"
    folder.mkdir()
    write_result(folder, result)
    return folder
