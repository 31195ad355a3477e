"""A whole run with a small CLIP: captions are found by their pictures, and the result says how."""

import csv
import json

import family_contrast
import pytest
import torch
from PIL import Image

from transferlab.cli import main

COLOURS = {"red": (255, 0, 0), "green": (0, 160, 0), "blue": (0, 0, 255), "white": (255,) * 3}
pytestmark = pytest.mark.integration
KINDS = {"plain": 0, "striped": 1, "halved": 2}
TEST = len(COLOURS) * len(KINDS)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a domain of coloured squares, a model of random values and a pipeline."""
    root = tmp_path_factory.mktemp("retrieval")
    folder = root / "domains" / "squares"
    folder.mkdir(parents=True)
    rows = []
    for number in range(5 * TEST):
        colour = list(COLOURS)[number % len(COLOURS)]
        kind = list(KINDS)[number // len(COLOURS) % len(KINDS)]
        squares = Image.new("RGB", (56, 56), COLOURS[colour])
        for line in range(56):
            dark = (0, line // 7 % 2, line // 28)[KINDS[kind]]
            if dark:
                squares.paste((0, 0, 0), (0, line, 56, line + 1))
        squares.putpixel((0, 0), (number, 0, 0))  # no two files are the same
        squares.save(folder / f"{number}.png")
        side = "train" if number < 4 * TEST else "test"
        rows.append({"file": number, "says": f"a {kind} {colour} square", "side": side})
    with (folder / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    media = {"image": {"kind": "image", "path": "{file}.png"}}
    metrics = ["recall_at_1", "recall_at_5", "recall_at_10", "mrr", "median_rank"]
    domain = {
        "name": "squares", "version": 1, "title": "Squares", "field": "test", "licence": "CC0-1.0",
        "source": {"kind": "table", "media": media}, "group": "file", "splits": {"column": "side"},
        "tasks": {"find": {
            "kind": "retrieve", "prompt": "<image>", "answer": "{says}", "metrics": metrics,
        }},
    }  # fmt: skip
    (folder / "domain.yaml").write_text(json.dumps(domain))
    torch.manual_seed(0)
    model, processor = family_contrast.clip()
    model.save_pretrained(root / "clip")
    processor.save_pretrained(root / "clip")
    pipeline = {
        "name": "squares",
        "backbone": {"model": str(root / "clip"), "device": "cpu", "adapter": None},
        "stream": ["squares"],
        "arms": ["zero_shot"],
        "train": {"epochs": 12, "batch_samples": 12, "learning_rate": 3e-3},
        "data": {"cache_media": False},
        "tracking": {"uri": f"sqlite:///{root}/mlflow.db", "system_metrics": False},
    }
    (root / "pipeline.yaml").write_text(json.dumps(pipeline))
    return root


@pytest.fixture(scope="module")
def result(made):
    arguments = ["run", made / "pipeline.yaml", "--out", made / "out", "--domains"]
    assert main([str(one) for one in (*arguments, made / "domains")]) == 0
    return json.loads((made / "out" / "result.json").read_text("utf-8"))


def test_training_brings_captions_up_and_controls_say_from_where(result):
    arms = {arm: result["arms"][arm]["squares"] for arm in ("zero_shot", "sequential")}
    before, after = (one["tasks"]["find"]["metrics"] for one in arms.values())
    control = result["controls"]["squares"]["find"]
    assert control["candidates"] == TEST
    assert control["chance"] == pytest.approx(1 / TEST)
    assert control["no_image"] == pytest.approx(1 / TEST), "without a picture nothing stands out"
    assert control["frequent_answer"] == pytest.approx(1 / TEST)  # all are equally frequent
    assert after["recall_at_1"] > before["recall_at_1"] + 0.2
    assert after["recall_at_1"] <= after["recall_at_5"] <= after["recall_at_10"] <= 1
    assert 1 <= after["median_rank"] < before["median_rank"]
    low, high = arms["sequential"]["interval"]
    assert low <= after["recall_at_1"] <= high
    assert arms["sequential"]["metric"] == "recall_at_1 (find)"


def test_tracking_holds_every_metric(made, result):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(result["mlflow"]["tracking_uri"])
    experiment = client.get_experiment_by_name("squares")
    logged = {
        name: value
        for run in client.search_runs([experiment.experiment_id])
        for name, value in run.data.metrics.items()
    }
    expected = result["arms"]["sequential"]["squares"]["tasks"]["find"]["metrics"]
    assert {name: logged[f"task/squares/find/{name}"] for name in expected} == expected


def test_tasks_that_must_be_written_stop_the_run_before_it_begins(made, capsys):
    text = (made / "domains" / "squares" / "domain.yaml").read_text()
    folder = made / "other" / "squares"
    folder.mkdir(parents=True)
    told = text.replace('"retrieve"', '"describe"').replace('["recall_at_1"', '["token_f1"')
    metrics = ', "recall_at_5", "recall_at_10", "mrr", "median_rank"'
    (folder / "domain.yaml").write_text(told.replace(metrics, ""))
    out = made / "never"
    arguments = ["run", made / "pipeline.yaml", "--out", out, "--domains", made / "other"]
    assert main([str(one) for one in arguments]) == 2
    assert "writes no answers, so a task of kind 'describe' cannot" in capsys.readouterr().err
    assert not out.exists()
