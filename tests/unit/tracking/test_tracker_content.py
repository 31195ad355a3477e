"""What a run holds."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from transferlab.core.events import TrainStep, Warned
from transferlab.core.text.secrets import without_secrets
from transferlab.metrics.similarity import Similarity
from transferlab.tracking.params import MAX_CHARACTERS, flatten, shorten
from transferlab.tracking.store import Store
from transferlab.tracking.tracker import Tracker, loggable


def step(number: int, **changes) -> TrainStep:
    values = {
        "stage": "s",
        "step": number,
        "total_steps": 1500,
        "loss": 1 / number,
        "learning_rate": 1e-3,
        "samples_per_second": 90.0,
        "extra": (("ewc_penalty", 0.1 * number),),
    }
    return TrainStep(**{**values, **changes})


def read(uri: str, run_id: str, name: str, tmp_path: Path) -> str:
    found = download_artifacts(
        run_id=run_id, artifact_path=name, dst_path=str(tmp_path), tracking_uri=uri
    )
    return Path(found).read_text("utf-8")


def test_every_training_step_is_in_the_history_of_its_child(
    section, client, config, tmp_path, monkeypatch
):
    real, sizes = MlflowClient.log_batch, []

    def weighed(self, run_id, metrics=(), **content):
        sizes.append(len(metrics))
        return real(self, run_id, metrics=metrics, **content)

    monkeypatch.setattr(MlflowClient, "log_batch", weighed)
    tracker = Tracker(section, experiment="radiology", flush_seconds=60)
    with tracker.pipeline_run(config, tmp_path) as parent:
        with tracker.child_run("first", tags={}) as first:
            for number in range(1, 401):  # 1,600 metrics: more than one request takes
                tracker.listener(step(number))
        with tracker.child_run("second", tags={}) as second:
            tracker.listener(step(1, loss=9.0))
    assert max(sizes) == 1000
    history = client.get_metric_history(first.info.run_id, "train/loss")
    assert [(m.step, m.value) for m in history] == [(n, 1 / n) for n in range(1, 401)]
    assert client.get_run(first.info.run_id).data.metrics["train/ewc_penalty"] == 40.0
    assert client.get_run(second.info.run_id).data.metrics["train/loss"] == 9.0
    assert "train/loss" not in client.get_run(parent.info.run_id).data.metrics


def test_metrics_arrive_while_the_run_goes_on(tracker, client, config, tmp_path):
    with tracker.pipeline_run(config, tmp_path) as run:
        tracker.listener(step(1))
        deadline = time.monotonic() + 5
        while not client.get_metric_history(run.info.run_id, "train/loss"):
            assert time.monotonic() < deadline, "nothing was sent before the run ended"
            time.sleep(0.05)


def test_what_the_store_refuses_is_sent_again(tracker, client, config, tmp_path, monkeypatch):
    real, refused = MlflowClient.log_batch, []

    def moody(self, run_id, **content):
        if content.get("metrics") and len(refused) < 2:
            refused.append(run_id)
            raise MlflowException("a bad minute")
        return real(self, run_id, **content)

    with tracker.pipeline_run(config, tmp_path) as run:
        monkeypatch.setattr(MlflowClient, "log_batch", moody)
        tracker.listener(step(1))
        deadline = time.monotonic() + 5
        while len(refused) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        tracker.listener(step(2))
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert [m.step for m in history] == [1, 2]


def test_settings_are_params_and_a_file(tracker, client, config, tmp_path):
    with tracker.pipeline_run(config, tmp_path) as run:
        pass
    params = client.get_run(run.info.run_id).data.params
    assert params["train.learning_rate"] == "0.0001"
    assert params["strategy.ewc.options.strength"] == "100"
    assert params["strategy.naive.name"] == "naive"
    assert params["stream"] == "chest-xray, lectures"
    assert params["data_root"] == "null"
    saved = yaml.safe_load(read(tracker.uri, run.info.run_id, "config.yaml", tmp_path))
    assert saved == loggable(config)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://me:hush@db/mlflow",
        "postgresql://me:hu/hush@db/mlflow",
        "mysql://db/mlflow?password=hush",
        "https://host/files?token=hush",
        "ftp://me:hush@host/files",
    ],
)
def test_no_secret_of_an_address_is_logged_or_in_the_result(config, uri):
    secret = config.tracking.model_copy(update={"uri": uri, "artifacts": uri})
    settings = loggable(config.model_copy(update={"tracking": secret}))
    assert "hush" not in str(settings)
    assert settings["tracking"]["uri"] == settings["tracking"]["artifacts"] == without_secrets(uri)
    assert "hush" not in Store(client=None, uri=uri, experiment_id="1").public_uri


def test_a_long_param_is_cut_with_a_mark_and_kept_whole(tracker, client, config, tmp_path):
    params = {f"p{number}": str(number) for number in range(150)} | {"long": "x" * 7000}
    with tracker.pipeline_run(config, tmp_path) as run:
        tracker.log_params(params)
    found = client.get_run(run.info.run_id).data.params
    assert {key: found[key] for key in params if key != "long"} == {
        key: value for key, value in params.items() if key != "long"
    }
    assert len(found["long"]) == MAX_CHARACTERS
    assert found["long"].endswith("[cut: 7000 characters; whole in params/long.txt]")
    assert read(tracker.uri, run.info.run_id, "params/long.txt", tmp_path) == "x" * 7000


def test_a_param_that_just_fits_is_left_alone():
    assert shorten("key", "x" * MAX_CHARACTERS) == "x" * MAX_CHARACTERS


def test_flatten_tells_empty_from_missing():
    assert flatten({"a": {}, "b": [], "c": None, "d": True, "e": {"f": 1.5}}) == {
        "a": "{}",
        "b": "[]",
        "c": "null",
        "d": "true",
        "e.f": "1.5",
    }


def test_a_dataset_is_logged_by_digest_and_context_only(tracker, client, config, data, tmp_path):
    with tracker.pipeline_run(config, tmp_path) as run:
        tracker.log_dataset(data, split="train", context="train")
        tracker.log_dataset(data, split="test", context="test")
    inputs = client.get_run(run.info.run_id).inputs.dataset_inputs
    found = {one.dataset.name: one for one in inputs}
    assert set(found) == {"chest-xray/train", "chest-xray/test"}
    train = found["chest-xray/train"]
    assert {tag.key: tag.value for tag in train.tags} == {"mlflow.data.context": "train"}
    assert train.dataset.digest == data.digest[:36]
    profile = json.loads(train.dataset.profile)
    assert (profile["samples"], profile["groups"]) == (4, 2)
    assert profile["sha256"] == data.digest
    everything = str([dict(one.dataset) for one in inputs])
    assert "secret" not in everything
    assert "Confidential" not in everything


def test_scores_are_a_curve_on_the_parent(tracker, client, config, make_score, tmp_path):
    with tracker.pipeline_run(config, tmp_path) as run:
        tracker.log_scores({"scenes": make_score("scenes", 0.7)}, after="pretrained", step=0)
        tracker.log_scores({"scenes": make_score("scenes", 0.6)}, after="chest-xray", step=1)
    history = client.get_metric_history(run.info.run_id, "score/scenes")
    assert [(m.step, m.value) for m in history] == [(0, 0.7), (1, 0.6)]
    row = json.loads(read(tracker.uri, run.info.run_id, "scores/1-chest-xray.json", tmp_path))
    assert row == {"scenes": {"value": 0.6, "metric": "accuracy (finding)"}}


def test_a_step_holds_quantity_cost_and_every_metric(
    tracker, client, config, make_score, report, tmp_path
):
    with (
        tracker.pipeline_run(config, tmp_path),
        tracker.child_run("step", tags={}) as child,
    ):
        tracker.log_step(report, {"lectures": make_score("lectures", 0.5)})
    metrics = client.get_run(child.info.run_id).data.metrics
    assert metrics["data/train_samples"] == 64
    assert metrics["data/train_tokens"] == 200
    assert metrics["cost/peak_memory_bytes"] == 1e9
    assert metrics["score/lectures"] == 0.5
    assert metrics["task/lectures/finding/macro_f1"] == 0.25
    assert metrics["task/lectures/finding/brier"] == 0.125


def test_similarity_is_comparable_between_steps_and_gathered_on_the_parent(
    tracker, client, config, tmp_path
):
    measured = Similarity(
        name="frechet",
        features="joint",
        value=12.5,
        baseline_mean=1.5,
        baseline_std=0.1,
        p_value=0.05,
        permutations=20,
        source_samples=40,
        target_samples=30,
    )
    with (
        tracker.pipeline_run(config, tmp_path) as run,
        tracker.child_run("step", tags={}) as child,
    ):
        tracker.log_similarity("lectures", [measured])
    with tracker.pipeline_run(config, tmp_path) as later:
        tracker.log_adapted_similarity({"lectures": [measured], "other": []})
    assert client.get_run(later.info.run_id).data.metrics == {
        "similarity_adapted/lectures/frechet_joint": 12.5,
        "similarity_adapted_baseline/lectures/frechet_joint": 1.5,
    }
    kept = read(tracker.uri, later.info.run_id, "similarity_adapted/lectures.json", tmp_path)
    assert json.loads(kept)[0]["p_value"] == 0.05
    of_child = client.get_run(child.info.run_id).data.metrics
    assert of_child == {
        "similarity/frechet_joint": 12.5,
        "similarity_baseline/frechet_joint": 1.5,
    }
    of_parent = client.get_run(run.info.run_id).data.metrics
    assert of_parent["similarity/lectures/frechet_joint"] == 12.5
    kept = json.loads(read(tracker.uri, child.info.run_id, "similarity/lectures.json", tmp_path))
    assert kept[0]["p_value"] == 0.05


def test_gains_and_summary(tracker, client, config, tmp_path):
    gain = {"domain": "lectures", "arm": "single", "over": "scratch", "negative_transfer": False}
    with tracker.pipeline_run(config, tmp_path) as run:
        tracker.log_gains(
            [
                {**gain, "value": 0.2, "interval": [0.1, 0.3]},
                {**gain, "over": "zero_shot", "value": 0.4, "interval": None},
            ]
        )
        tracker.log_summary(
            {
                "acc": {"value": 0.5, "interval": [0.4, 0.6], "definition": "mean R[T][j]"},
                "bwt": {"value": None, "interval": None, "definition": "d"},
                "forgetting_corrected": {
                    "value": 0.1,
                    "interval": None,
                    "interval_reason": "few",
                    "definition": "f",
                },
            },
            [{"text": "chest: single scores best."}],
        )
    found = client.get_run(run.info.run_id).data
    note = found.tags["mlflow.note.content"]
    assert note.startswith("- chest: single scores best.\n\n| | value |")
    assert "| acc | 0.500 | [0.400, 0.600] | mean R[T][j] |" in note
    assert "| bwt | - |  | d |" in note
    assert "| forgetting_corrected | 0.100 |  | f; no interval: few |" in note
    assert found.metrics == {
        "gain/lectures/single_over_scratch": 0.2,
        "gain_interval/lectures/single_over_scratch_low": 0.1,
        "gain_interval/lectures/single_over_scratch_high": 0.3,
        "gain/lectures/single_over_zero_shot": 0.4,
        "summary/acc": 0.5,
        "summary/forgetting_corrected": 0.1,
    }


@pytest.mark.parametrize("crash", [False, True])
def test_warnings_are_kept_however_the_run_ends(tracker, config, tmp_path, crash):
    def run_it():
        with tracker.pipeline_run(config, tmp_path) as run:
            ids.append(run.info.run_id)
            tracker.listener(Warned(text="3 samples quarantined"))
            if crash:
                raise ZeroDivisionError

    ids: list[str] = []
    tracker.listener(Warned(text="before the run began"))
    if crash:
        with pytest.raises(ZeroDivisionError):
            run_it()
    else:
        run_it()
    kept = read(tracker.uri, ids[0], "warnings.txt", tmp_path)
    assert kept == "before the run began\n3 samples quarantined\n"


def test_json_artifacts_have_no_nan(tracker, config, tmp_path):
    with tracker.pipeline_run(config, tmp_path) as run:
        tracker.log_json("x.json", {"a": [float("nan"), 1.0], "b": float("inf")})
    assert json.loads(read(tracker.uri, run.info.run_id, "x.json", tmp_path)) == {
        "a": [None, 1.0],
        "b": None,
    }


def test_system_metrics_are_recorded(section, client, config, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.2")
    tracker = Tracker(section.model_copy(update={"system_metrics": True}), experiment="system")
    with tracker.pipeline_run(config, tmp_path) as run:
        # MLflow takes samples in a thread of its own, which a busy machine lets wait.
        until = time.monotonic() + 30
        while not client.get_run(run.info.run_id).data.metrics and time.monotonic() < until:
            time.sleep(0.1)
    names = set(client.get_run(run.info.run_id).data.metrics)
    assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= names
