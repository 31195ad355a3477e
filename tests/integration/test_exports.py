"""Every model of a run leaves in every format, and a stranger's code gets the run's answers."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from transferlab.backbone.loader import load_backbone
from transferlab.backbone.reload import Probe
from transferlab.cli import main
from transferlab.config.backbone import BackboneSection
from transferlab.config.pipeline import PipelineConfig
from transferlab.config.yaml_sections import load_yaml
from transferlab.core.events import ignore
from transferlab.domain.media.decoder import decode
from transferlab.errors import InputError, ModelError
from transferlab.pipeline.build import load_domains
from transferlab.pipeline.exports.of_result import export_result
from transferlab.pipeline.run import run

SMOKE = Path(__file__).parents[2] / "pipelines" / "smoke.yaml"

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with all arms; its directory and pipeline."""
    place = tmp_path_factory.mktemp("exports")
    overrides = [
        f"tracking.uri=sqlite:///{place}/mlflow.db", f"tracking.artifacts={place}/artifacts",
        "arms=[single, joint, scratch]", "train.max_steps=4", "evaluation.max_test_samples=6",
        "export=[adapter, merged]", "evaluation.controls=false", "similarity.permutations=10",
    ]  # fmt: skip
    config, out = load_yaml(SMOKE, PipelineConfig, overrides=overrides), place / "out"
    run(config, out, listener=ignore)
    return out, config


def test_a_pipelines_formats_are_all_written(finished):
    out, _ = finished
    made = json.loads((out / "result.json").read_text("utf-8"))["exports"]
    assert [(one["kind"], one["status"]) for one in made] == [
        ("adapter", "done"), ("merged", "done"),
    ]  # fmt: skip
    assert (out / "exports" / "adapter" / "adapter_model.safetensors").is_file()
    assert (out / "exports" / "merged" / "model.safetensors").is_file()


@pytest.mark.parametrize("kind", ["adapter", "merged"])
def test_the_cards_code_gives_the_runs_answers(finished, tmp_path, kind):
    """Run word for word by another process, but for the two places that it asks the reader for."""
    out, config = finished
    folder = out / "exports" / kind
    card = (folder / "README.md").read_text("utf-8")
    code = card.partition("## How to ask it")[2].split("```python\n")[1].split("```")[0]
    data = load_domains(config, [])["chest-xray"]
    (task, *_) = json.loads((folder / "prompts.json").read_text("utf-8"))["chest-xray"]
    samples = [one for one in data.splits["test"] if one.task == task][:1]
    tuned = load_backbone(
        BackboneSection(model=str(out / "exports" / "merged"), adapter=None), decode=decode, seed=0
    )
    expected = [one.text for one in tuned.score_choices(samples, batch_samples=1)]
    for sample, answer in zip(samples, expected, strict=True):
        (frame,) = decode(sample.media[0])
        Image.fromarray(frame).save(tmp_path / "picture.png")
        asked = code.replace("path/to/this/folder", str(folder))
        for line in sample.prompt.splitlines():
            if line.startswith("Note: "):
                asked = asked.replace('"..."', repr(line.removeprefix("Note: ")))
        done = subprocess.run(
            [sys.executable, "-c", asked],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == answer


def test_single_joint_and_scratch_are_exported_too(finished, tmp_path):
    out, _ = finished
    written = export_result(out, tmp_path, kinds=["merged", "adapter"], arm="single")
    assert [one.name for one in written] == [
        "merged-single-chest-xray", "adapter-single-chest-xray",
        "merged-single-lectures", "adapter-single-lectures",
    ]  # fmt: skip
    lineage = json.loads((written[3] / "transferlab.json").read_text("utf-8"))
    assert (lineage["model"], lineage["trained_on"]) == ("single-lectures", ["lectures"])
    assert str(tmp_path) not in json.dumps(lineage)
    (joint,) = export_result(out, tmp_path, arm="joint")
    (scratch,) = export_result(out, tmp_path, kinds=["merged"], arm="scratch", domain="lectures")
    weights = {
        next(one.glob("*model*.safetensors")).read_bytes() for one in [*written, joint, scratch]
    }
    assert len(weights) == 6
    assert "from random values on lectures" in (scratch / "README.md").read_text("utf-8")


def test_what_was_written_before_a_model_failed_is_noted(finished, monkeypatch):
    out, _ = finished
    before = (out / "result.json").read_bytes()
    differences = iter([0.0, 7.0])
    monkeypatch.setattr(Probe, "adapter_difference", lambda *_: next(differences))
    with pytest.raises(ModelError, match="adapter-single-lectures"):
        export_result(out, None, arm="single")
    paths = [one["path"] for one in json.loads((out / "result.json").read_text("utf-8"))["exports"]]
    assert "exports/adapter-single-chest-xray" in paths
    assert "exports/adapter-single-lectures" not in paths
    assert not (out / "exports" / "adapter-single-lectures").exists()
    shutil.rmtree(out / "exports" / "adapter-single-chest-xray")
    (out / "result.json").write_bytes(before)  # other tests read it


def test_scratch_has_no_adapter_to_export(finished, tmp_path):
    out, _ = finished
    with pytest.raises(InputError, match="scratch-chest-xray cannot be written so"):
        export_result(out, tmp_path, arm="scratch", domain="chest-xray")
    assert list(tmp_path.iterdir()) == []


def test_the_command_lists_models_and_writes_one_into_the_run(finished, capsys):
    out, _ = finished
    assert main(["models", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in found] == [
        "sequential-1-chest-xray", "sequential-2-lectures", "single-chest-xray", "single-lectures",
        "joint", "scratch-chest-xray", "scratch-lectures",
    ]  # fmt: skip
    assert main(["models", str(out)]) == 0
    listed = capsys.readouterr().out
    assert max(map(len, listed.split("controls:")[0].splitlines())) <= 80
    assert main(["export", str(out), "--step", "1"]) == 0
    paths = [one["path"] for one in json.loads((out / "result.json").read_text())["exports"]]
    assert paths == ["exports/adapter", "exports/merged", "exports/adapter-sequential-1-chest-xray"]
    assert main(["export", str(out), "--step", "3"]) == 2
    assert "--step 3: the run has no such model" in capsys.readouterr().err


def test_predict_gives_the_trained_models_answers(finished, tmp_path, capsys):
    out, config = finished
    sample = next(
        one
        for one in load_domains(config, [])["chest-xray"].splits["test"]
        if one.task == "finding"
    )
    note = next(line for line in sample.prompt.splitlines() if line.startswith("Note: "))
    asked = ["--dicom", str(sample.media[0].path), "--task", "finding", "--json"]
    asked += ["--value", f"note={note.removeprefix('Note: ')}"]
    tuned = load_backbone(
        BackboneSection(model=str(out / "exports" / "merged"), adapter=None), decode=decode, seed=0
    )
    (expected,) = tuned.score_choices([sample], batch_samples=1)
    capsys.readouterr()
    for kind in ("adapter", "merged"):
        assert main(["predict", str(out / "exports" / kind), *asked]) == 0
        (found,) = json.loads(capsys.readouterr().out)
        assert found["answer"] == expected.text
        gap = expected.log_likelihoods[0] - expected.log_likelihoods[1]
        first, second = (found["probabilities"][one] for one in sample.choices[:2])
        assert math.log(first / second) == pytest.approx(gap, abs=1e-3)


def test_evaluate_gives_the_runs_scores(finished, tmp_path, capsys):
    """On the run's own data, of which the pipeline generates fewer than the shipped domain has."""
    out, config = finished
    folder = tmp_path / "lectures"
    shutil.copytree(SMOKE.parents[1] / "domains" / "lectures", folder)
    text, changed = re.subn(
        r"samples: \d+",
        f"samples: {config.data.max_generated_samples}",
        (folder / "domain.yaml").read_text("utf-8"),
    )
    assert changed == 1
    (folder / "domain.yaml").write_text(text, "utf-8")
    result = json.loads((out / "result.json").read_text("utf-8"))
    command = ["evaluate", str(out / "exports" / "adapter"), "--on"]
    options = ["--json", "--max-samples", "6", "--task", "subject", "--no-controls"]
    capsys.readouterr()
    assert main([*command, str(folder), *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["trained"], found["same_data"]) == (True, True)
    expected = result["arms"]["sequential"]["lectures"]["tasks"]["subject"]
    scores = found["scores"]["tasks"]["subject"]
    for given, wanted in ((scores, expected), (scores["metrics"], expected["metrics"])):
        numbers = {name: one for name, one in wanted.items() if isinstance(one, float)}
        assert {name: given[name] for name in numbers} == pytest.approx(numbers)
    assert scores["calibration"] == pytest.approx(expected["calibration"], abs=1e-5)
    assert scores["interval"] == pytest.approx(expected["interval"])
    assert main([*command, "lectures", *options]) == 0
    assert json.loads(capsys.readouterr().out)["same_data"] is False
    assert main([*command, str(folder), "--task", "x"]) == 2
    assert "has no such task" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["weights", "other", "none"])
def test_an_adapter_that_cannot_be_used_is_one_sentence(finished, tmp_path, capsys, damage):
    out, _ = finished
    folder = tmp_path / "adapter"
    shutil.copytree(out / "exports" / "adapter", folder)
    weights = folder / "adapter_model.safetensors"
    if damage == "weights":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "none":
        weights.unlink()
    else:
        tensors = load_file(weights)
        name = next(iter(tensors))
        save_file({**tensors, name: tensors[name][:, :1].contiguous()}, weights)
    picture = tmp_path / "picture.png"
    Image.effect_noise((40, 40), 50).save(picture)
    assert main(["predict", str(folder), "--image", str(picture), "--prompt", "What?"]) == 4
    message = capsys.readouterr().err
    assert "adapter" in message
    assert "unexpected" not in message


ASK_MLFLOW = """
import json, sys
import mlflow
import pandas

model = mlflow.pyfunc.load_model(sys.argv[1])
import transferlab

assert transferlab.__file__.startswith(sys.argv[1]), "not the code that came with the model"
with open(sys.argv[2], "rb") as file:
    rows = [{"path": sys.argv[2]}, {"medium": file.read()}]
frame = pandas.DataFrame([{**row, "task": "finding", "note": sys.argv[3]} for row in rows])
print(json.dumps(model.predict(frame)))
"""


def test_an_mlflow_model_answers_with_the_code_that_came_with_it(finished, tmp_path):
    out, config = finished
    (folder,) = export_result(out, tmp_path, kinds=["mlflow"])
    described = (folder / "MLmodel").read_text("utf-8")
    assert str(tmp_path) not in described
    assert not list(folder.rglob("*.pkl"))
    assert "torch==" in (folder / "requirements.txt").read_text("utf-8")
    assert "mlflow.pyfunc.load_model" in (folder / "README.md").read_text("utf-8")
    test = load_domains(config, [])["chest-xray"].splits["test"]
    sample = next(one for one in test if one.task == "finding")
    (note,) = (line for line in sample.prompt.splitlines() if line.startswith("Note: "))
    medium = str(sample.media[0].path)
    done = subprocess.run(
        [sys.executable, "-c", ASK_MLFLOW, str(folder), medium, note.removeprefix("Note: ")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    by_path, by_bytes = json.loads(done.stdout)
    assert by_path["answer"] == by_bytes["answer"]
    assert by_path["probabilities"] == pytest.approx(by_bytes["probabilities"], abs=1e-5)
    tuned = load_backbone(
        BackboneSection(model=str(folder / "artifacts" / "model"), adapter=None),
        decode=decode,
        seed=0,
    )
    (expected,) = tuned.score_choices([sample], batch_samples=1)
    assert by_path["answer"] == expected.text
