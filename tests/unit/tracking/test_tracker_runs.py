"""How runs begin and end in the store."""

from __future__ import annotations

import subprocess
import sys

import pytest

from transferlab import __version__
from transferlab.errors import ModelError
from transferlab.tracking.stale_runs import MACHINE_TAG, PROCESS_TAG, process_tags
from transferlab.tracking.tracker import Tracker


def statuses(client, parent_id):
    """The parent's status, and its children's by name."""
    parent = client.get_run(parent_id)
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{parent_id}'"
    )
    return parent.info.status, {run.info.run_name: run.info.status for run in children}


def test_a_pipeline_that_ends_well_is_finished(tracker, client, config, tmp_path):
    with tracker.pipeline_run(config, tmp_path / "out") as run:
        with tracker.child_run("single: chest-xray", tags={"arm": "single"}) as child:
            assert client.get_run(child.info.run_id).info.status == "RUNNING"
        assert tracker.address() == {"tracking_uri": tracker.uri, "run_id": run.info.run_id}
    assert statuses(client, run.info.run_id) == ("FINISHED", {"single: chest-xray": "FINISHED"})
    assert client.get_run(child.info.run_id).data.tags["arm"] == "single"
    tags = client.get_run(run.info.run_id).data.tags
    assert tags["env.transferlab"] == __version__
    assert tags["env.python"] == ".".join(map(str, sys.version_info[:3]))
    assert tags["seed"] == "7"
    assert tags["strategy"] == " + ".join(one.name for one in config.strategy)
    assert run.info.run_name == f"{config.name} {tags['strategy']} seed 7"


@pytest.mark.parametrize(
    ("error", "status"),
    [(ModelError("no"), "FAILED"), (KeyboardInterrupt(), "KILLED"), (SystemExit(1), "FAILED")],
)
def test_what_leaves_the_block_decides_the_status(tracker, client, config, tmp_path, error, status):
    def crash():
        with tracker.pipeline_run(config, tmp_path) as run:
            begun.append(run.info.run_id)
            with tracker.child_run("done", tags={}):
                pass
            with tracker.child_run("crashed", tags={}):
                tracker.log_metrics({"train/loss": 0.5}, step=1)
                raise error

    begun: list[str] = []
    with pytest.raises(type(error)) as caught:
        crash()
    assert caught.value is error
    assert statuses(client, begun[0]) == (status, {"done": "FINISHED", "crashed": status})
    last = client.search_runs(
        [client.get_run(begun[0]).info.experiment_id],
        f"tags.mlflow.parentRunId = '{begun[0]}' and attributes.run_name = 'crashed'",
    )[0]
    assert last.data.metrics == {"train/loss": 0.5}
    assert tracker.run_id is None


def test_logging_without_a_run_is_a_mistake_of_the_caller(tracker):
    with pytest.raises(RuntimeError, match="no run is open"):
        tracker.log_metrics({"x": 1.0})


def test_a_run_whose_process_died_is_marked_failed(tracker, client, section, config, tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with tracker.pipeline_run(config, tmp_path) as alive:
        experiment = alive.info.experiment_id
        own = process_tags()
        gone = client.create_run(experiment, tags={**own, PROCESS_TAG: f"{dead.pid} 1700000000"})
        elsewhere = client.create_run(experiment, tags={**own, MACHINE_TAG: "another machine"})
        foreign = client.create_run(experiment)
        Tracker(section, experiment="radiology")
        found = {
            name: client.get_run(run.info.run_id).info.status
            for name, run in {
                "alive": alive,
                "gone": gone,
                "elsewhere": elsewhere,
                "foreign": foreign,
            }.items()
        }
    assert found == {
        "alive": "RUNNING",
        "gone": "FAILED",
        "elsewhere": "RUNNING",
        "foreign": "RUNNING",
    }
