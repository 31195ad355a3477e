"""A stranger's DICOM files and CSV: registered, trained on, and trained on with a broken file."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "domain"))
from domain_cases import picture, write_dicom

ROOT = Path(__file__).parents[2]

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


def transferlab(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TRANSFERLAB_HOME": str(cwd / "home"),
        "CI": "true",
        "HF_HUB_OFFLINE": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "transferlab", *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip


@pytest.fixture(scope="module")
def ward(tmp_path_factory) -> Path:
    """A folder that holds ``ward`` (the data) and ``ward.yaml`` (a pipeline)."""
    cwd = tmp_path_factory.mktemp("stranger")
    reports = []
    for study in range(STUDIES):
        path = cwd / "ward" / f"PAT{study // 2:03}" / f"ST{study:03}" / "IM0001"
        path.parent.mkdir(parents=True)
        stored = np.asarray(picture(study, side=PIXELS)).astype(np.uint16) * 16
        write_dicom(
            path, stored, PatientID=f"P{study // 2}", AccessionNumber=f"A{study}", BitsStored=12,
            HighBit=11,
        )  # fmt: skip
        reports.append(
            {"Accession": f"A{study}", "Diagnosis": ["normal", "nodule"][study // 2 % 2]}
        )
    with (cwd / "ward" / "export.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(reports[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(reports)
    (cwd / "ward.yaml").write_text(PIPELINE)
    done = transferlab("domains", "register", "ward", cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert "sound: nothing keeps it from being trained on" in done.stdout
    return cwd


def test_it_trains_and_a_broken_file_stops_it_or_is_left_out(ward):
    broken = ward / "ward" / "PAT003" / "ST006" / "IM0001"
    content = broken.read_bytes()
    broken.write_bytes(content[: len(content) - PIXELS * PIXELS])

    stopped = transferlab("run", "ward.yaml", "--out", "stopped", cwd=ward)
    assert stopped.returncode == 3
    (sentence,) = stopped.stderr.splitlines()
    assert "domain 'ward': export.csv row 7, picture 1: medium 'xray': " in sentence
    assert "data.on_bad_sample=quarantine" in sentence

    done = transferlab(
        "run", "ward.yaml", "--out", "done", "--set", "data.on_bad_sample=quarantine", cwd=ward
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((ward / "done" / "result.json").read_text("utf-8"))
    assert [column["domain"] for column in result["scores"]["columns"]] == ["ward"]
    assert [row["after"] for row in result["scores"]["rows"]] == ["pretrained", "ward"]
    assert all(0 <= row["values"]["ward"] <= 1 for row in result["scores"]["rows"])
    (left_out,) = result["quarantined"]
    assert left_out["domain"] == "ward"
    assert left_out["where"] == "export.csv row 7, picture 1"
    assert "truncated" in left_out["reason"]
    assert result["domains"]["ward"]["quarantined"] == 1
    assert sum(result["domains"]["ward"]["samples"].values()) == STUDIES - 1
    assert "1 quarantined sample(s): see result.json" in done.stdout
