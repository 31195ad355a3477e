"""The shipped smoke pipeline, end to end through the command line, in a folder of its own."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "pipelines" / "smoke.yaml"
KEYS = {
    "schema_version", "digest", "pipeline", "seed", "scoring", "domains", "scores", "summary",
    "steps", "arms", "gains", "controls", "similarity", "data_quantity", "cost", "same_training",
    "quarantined", "mlflow", "exports", "answer", "environment", "similarity_adapted", "subgroups",
}  # fmt: skip

pytestmark = pytest.mark.integration


def transferlab(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CI": "true",
        "HF_HUB_OFFLINE": "1",
        "TRANSFERLAB_DOMAINS": str(ROOT / "domains"),
    }
    return subprocess.run(
        [sys.executable, "-m", "transferlab", *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, dict, subprocess.CompletedProcess[str], float]:
    cwd = tmp_path_factory.mktemp("smoke")
    started = time.monotonic()
    done = transferlab("run", str(SMOKE), "--out", "out", cwd=cwd)
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stdout + done.stderr
    return cwd, json.loads((cwd / "out" / "result.json").read_text("utf-8")), done, seconds


def test_no_library_warns_on_the_terminal(finished):
    _, _, done, _ = finished
    assert "Warning" not in done.stdout + done.stderr
    assert done.stderr == ""


def test_result_has_every_key(finished):
    _, result, _, _ = finished
    assert set(result) == KEYS
    assert result["schema_version"] == 2
    assert [row["after"] for row in result["scores"]["rows"]] == [
        "pretrained", "chest-xray", "lectures",
    ]  # fmt: skip
    columns = [column["domain"] for column in result["scores"]["columns"]]
    assert columns == ["scenes", "chest-xray", "lectures"]
    assert all(set(row["values"]) == set(columns) for row in result["scores"]["rows"])
    assert set(result["arms"]) == {"zero_shot", "scratch", "single", "joint", "sequential"}
    assert all("sex" in one["chest-xray"]["finding"] for one in result["subgroups"].values())
    assert set(result["subgroups"]) == set(result["arms"])
    finding = result["arms"]["single"]["chest-xray"]["tasks"]["finding"]
    assert set(finding["calibration"]) == {"ece", "ece_if_calibrated", "brier"}
    first, second = result["steps"]
    assert set(first["interference"]) == {"scenes"}
    assert set(second["interference"]) == {"scenes", "chest-xray"}
    assert all(-1 <= cosine <= 1 for cosine in second["interference"].values())
    assert set(second["terms"]) == {"ewc_penalty", "replay_loss"}
    assert list(result["summary"]) == [
        "acc",
        "bwt",
        "fwt_over_zero_shot",
        "fwt_over_scratch",
        "forgetting_corrected",
        "forgetting",
        "source_retention",
    ]


def test_closed_tasks_stand_beside_their_controls(finished):
    _, result, _, _ = finished
    finding = result["controls"]["chest-xray"]["finding"]
    assert {"majority", "no_image", "pixels"} <= set(finding)
    assert all(0 <= finding[name] <= 1 for name in ("majority", "no_image", "pixels"))


def test_summary_follows_from_the_matrix(finished):
    _, result, _, _ = finished
    rows = {row["after"]: row["values"] for row in result["scores"]["rows"]}
    last = rows["lectures"]
    assert result["summary"]["acc"]["value"] == pytest.approx(
        (last["chest-xray"] + last["lectures"]) / 2
    )
    assert result["summary"]["bwt"]["value"] == pytest.approx(
        last["chest-xray"] - rows["chest-xray"]["chest-xray"]
    )
    assert result["summary"]["source_retention"]["value"] == pytest.approx(
        last["scenes"] - rows["pretrained"]["scenes"]
    )


def test_it_is_quick_and_says_where_to_look(finished):
    _, _, done, seconds = finished
    assert seconds < 60
    assert "result.json" in done.stdout
    assert "transferlab ui" in done.stdout


def test_mlflow_holds_a_parent_and_a_child_per_step_and_arm(finished):
    from mlflow.tracking import MlflowClient

    cwd, result, _, _ = finished
    client = MlflowClient(f"sqlite:///{cwd}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("smoke")
    runs = client.search_runs([experiment.experiment_id])
    parent = next(run for run in runs if run.info.run_id == result["mlflow"]["run_id"])
    children = [
        run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
    ]
    assert parent.info.status == "FINISHED"
    assert len(children) == 2 + 2 + 2 + 1  # sequential, scratch and single per domain, one joint
    assert all(run.info.status == "FINISHED" for run in children)
    step = next(run for run in children if run.data.tags.get("arm") == "sequential")
    history = client.get_metric_history(step.info.run_id, "train/loss")
    assert len(history) == 2
    assert parent.inputs.dataset_inputs


def test_the_adapter_loads_with_plain_peft(finished):
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from transferlab.tiny import assets

    cwd, result, _, _ = finished
    (export,) = result["exports"]
    folder = cwd / "out" / export["path"]
    base = AutoModelForImageTextToText.from_pretrained(assets())
    tuned = PeftModel.from_pretrained(base, folder)
    moved = [
        name for name, value in tuned.named_parameters() if "lora_B" in name and value.abs().sum()
    ]
    assert moved
    assert "chest-xray" in (folder / "README.md").read_text("utf-8")
    own, theirs = (AutoProcessor.from_pretrained(one) for one in (folder, assets()))
    turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]}]
    text = own.apply_chat_template(turns, add_generation_prompt=True)
    assert text == theirs.apply_chat_template(turns, add_generation_prompt=True)
    assert own.tokenizer(text) == theirs.tokenizer(text)
    prompts = json.loads((folder / "prompts.json").read_text("utf-8"))
    assert set(prompts) == {"chest-xray", "lectures"}
    assert "<xray>" in prompts["chest-xray"]["finding"]["prompt"]
    assert len(prompts["chest-xray"]["finding"]["choices"]) > 1


def test_a_second_call_with_the_same_directory_trains_nothing_again(finished):
    cwd, result, _, first_seconds = finished
    started = time.monotonic()
    done = transferlab("run", str(SMOKE), "--out", "out", "--overwrite", cwd=cwd)
    assert done.returncode == 0, done.stderr
    again = json.loads((cwd / "out" / "result.json").read_text("utf-8"))
    assert again["scores"] == result["scores"]
    assert again["summary"] == result["summary"]
    assert time.monotonic() - started < first_seconds


def test_other_settings_make_anew_what_they_decide_and_say_so(finished):
    cwd, result, _, _ = finished
    again = ("run", str(SMOKE), "--out", "out", "--overwrite", "--set")
    done = transferlab(*again, "evaluation.bootstrap_samples=50", cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert "going on with" in done.stdout
    assert "made anew" not in done.stdout
    more = json.loads((cwd / "out" / "result.json").read_text("utf-8"))
    assert more["scores"]["rows"] == result["scores"]["rows"]
    done = transferlab(*again, "similarity.permutations=6", cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert "made anew, because of similarity: 4 stage(s)" in done.stdout
    kept = json.loads((cwd / "out" / "result.previous.json").read_text("utf-8"))
    assert kept == more


def test_all_domains_are_compared_on_the_backbone_before_any_adaptation(finished):
    """So the order of the stream does not matter; what adapting does to them is a second series."""
    cwd, result, _, _ = finished
    changed = ["stream=[lectures, chest-xray]", "arms=[]", "evaluation.controls=false", "export=[]"]
    sets = [part for one in changed for part in ("--set", one)]
    done = transferlab("run", str(SMOKE), "--out", "turned", *sets, cwd=cwd)
    assert done.returncode == 0, done.stderr
    turned = json.loads((cwd / "turned" / "result.json").read_text("utf-8"))
    assert set(result["similarity"]) == {"chest-xray", "lectures"}
    assert turned["similarity"] == result["similarity"]
    for domain, measured in result["similarity"].items():
        adapted = result["similarity_adapted"][domain]
        assert [one["name"] for one in adapted] == [one["name"] for one in measured]
        assert turned["similarity_adapted"][domain] != adapted != measured
