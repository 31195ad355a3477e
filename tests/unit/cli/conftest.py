"""Running a command in this process, and a result as a run would return it."""

from dataclasses import dataclass

import pytest

from transferlab.cli import main


@dataclass
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture
def command(capsys):
    """``command("run", ...)``: the exit code and what was printed."""

    def call(*arguments):
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def pipeline_file(tmp_path):
    """A sound pipeline over those domains."""
    path = tmp_path / "animals.yaml"
    path.write_text("name: animals\nstream: [cats, dogs]\nstrategy: [ewc]\n")
    return path


def _task(metric, value):
    return {
        "metric": metric,
        "value": value,
        "interval": [value - 0.05, value + 0.05],
        "metrics": {metric: value},
        "samples": 50,
    }


def _domain(finding, report):
    tasks = {"finding": _task("accuracy", finding), "report": _task("token_f1", report)}
    return {"value": (finding + report) / 2, "metric": "mean", "tasks": tasks}


@pytest.fixture
def result():
    return {
        "scores": {
            "columns": [
                {"domain": "scenes", "metric": "accuracy (colour)"},
                {"domain": "cats", "metric": "mean of accuracy (finding), token_f1 (report)"},
            ],
            "rows": [
                {"after": "pretrained", "values": {"scenes": 0.71, "cats": 0.2}},
                {"after": "cats", "values": {"scenes": 0.68, "cats": None}},
            ],
        },
        "summary": {
            "acc": {"value": 0.755, "interval": [0.71, 0.8], "definition": "mean of R[T][j]"},
            "bwt": {"value": None, "interval": None, "definition": "one domain has none"},
        },
        "arms": {
            "zero_shot": {"cats": _domain(0.2, 0.1)},
            "single": {"cats": _domain(0.7, 0.5)},
            "sequential": {"cats": _domain(0.9, 0.5)},
        },
        "gains": [
            {
                "domain": "cats",
                "arm": "sequential",
                "over": "single",
                "value": -0.06,
                "interval": [-0.09, -0.02],
                "negative_transfer": True,
            }
        ],
        "controls": {"cats": {"finding": {"majority": 0.3, "no_image": 0.35, "pixels": 0.8}}},
        "quarantined": [{"domain": "cats", "where": "row 3", "reason": "no pixels"}],
        "mlflow": {"tracking_uri": "sqlite:////somewhere/mlflow.db", "run_id": "1"},
        "exports": [{"kind": "adapter", "path": "exports/adapter", "status": "done"}],
    }
