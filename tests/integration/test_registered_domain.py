"""A stranger's DICOM files and CSV: registered, trained on, and trained on with a broken file."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "domain"))
from domain_cases import picture, write_dicom

from transferlab.cli import main

PIPELINE = """name: ward
stream: [ward]
arms: [zero_shot]
backbone: {adapter: {kind: lora, rank: 2, targets: all-linear}}
train: {epochs: 1, batch_samples: 8}
evaluation: {controls: false, bootstrap_samples: 20, max_new_tokens: 4}
tracking: {system_metrics: false}
"""
STUDIES, PIXELS = 40, 32

pytestmark = pytest.mark.integration


@pytest.fixture
def ward(tmp_path, monkeypatch) -> Path:
    """The working directory: it holds ``ward`` (the data) and ``ward.yaml`` (a pipeline)."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"TRANSFERLAB_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}.items():
        monkeypatch.setenv(name, value)
    reports = []
    for study in range(STUDIES):
        path = tmp_path / "ward" / f"PAT{study // 2:03}" / f"ST{study:03}" / "IM0001"
        path.parent.mkdir(parents=True)
        stored = np.asarray(picture(study, side=PIXELS)).astype(np.uint16) * 16
        write_dicom(
            path, stored, PatientID=f"P{study // 2}", AccessionNumber=f"A{study}", BitsStored=12,
            HighBit=11,
        )  # fmt: skip
        diagnosis = ["normal", "nodule"][study // 2 % 2]
        reports.append({"Accession": f"A{study}", "Diagnosis": diagnosis})
    with (tmp_path / "ward" / "export.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(reports[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(reports)
    (tmp_path / "ward.yaml").write_text(PIPELINE)
    return tmp_path


@pytest.fixture
def transferlab(capsys):
    """A command in this process: starting one takes as long as all the rest of it."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_it_trains_and_a_broken_file_stops_it_or_is_left_out(ward, transferlab):
    code, said, fault = transferlab("domains", "register", "ward")
    assert code == 0, fault
    assert "sound: nothing keeps it from being trained on" in said

    broken = ward / "ward" / "PAT003" / "ST006" / "IM0001"
    content = broken.read_bytes()
    broken.write_bytes(content[: len(content) - PIXELS * PIXELS])
    code, _, fault = transferlab("run", "ward.yaml", "--out", "stopped")
    assert code == 3
    (sentence,) = fault.splitlines()
    assert "domain 'ward': export.csv row 8, picture 1: medium 'xray': " in sentence
    assert "data.on_bad_sample=quarantine" in sentence

    code, said, fault = transferlab(
        "run", "ward.yaml", "--out", "done", "--set", "data.on_bad_sample=quarantine"
    )
    assert code == 0, fault
    assert "1 quarantined sample(s): see result.json" in said
    result = json.loads((ward / "done" / "result.json").read_text("utf-8"))
    assert [column["domain"] for column in result["scores"]["columns"]] == ["ward"]
    assert [row["after"] for row in result["scores"]["rows"]] == ["pretrained", "ward"]
    assert all(0 <= row["values"]["ward"] <= 1 for row in result["scores"]["rows"])
    (left_out,) = result["quarantined"]
    assert left_out["domain"] == "ward"
    assert left_out["where"] == "export.csv row 8, picture 1"
    assert "truncated" in left_out["reason"]
    assert result["domains"]["ward"]["quarantined"] == 1
    assert sum(result["domains"]["ward"]["samples"].values()) == STUDIES - 1
