"""A scheduler ends the command in the middle of a training, and the same command goes on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.integration


def start(out: Path, folder: Path):
    settings = [
        f"tracking.uri=sqlite:///{folder}/mlflow.db", f"tracking.artifacts={folder}/artifacts",
        "arms=[]", "export=[]", "train.epochs=50", "train.max_steps=20", "train.batch_samples=2",
        "train.checkpoint_steps=1000", "evaluation.max_test_samples=4",
        "evaluation.controls=false", "similarity.permutations=19",
    ]  # fmt: skip
    command = [sys.executable, "-m", "transferlab", "run", "pipelines/smoke.yaml"]
    options = ["--out", str(out), *(word for one in settings for word in ("--set", one))]
    return subprocess.Popen(
        [*command, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_terminated_run_goes_on_where_it_was_with_the_same_command(tmp_path):
    process = start(tmp_path / "out", tmp_path)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "sequential 1/" in line and ": step 6/20" in line:
            process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130, "".join(lines)
    assert lines[-1] == f"transferlab: interrupted; go on with --out {tmp_path / 'out'}\n"
    assert len(list((tmp_path / "out" / "stages").glob("*.unfinished"))) == 1
    again = start(tmp_path / "out", tmp_path)
    told, _ = again.communicate()
    assert again.returncode == 0, told
    assert ": step 8/20" in told
    assert ": step 4/20" not in told.split("sequential 2/")[0]
    cost = json.loads((tmp_path / "out" / "result.json").read_text())["cost"]
    assert {one["steps"] for one in cost} == {20}
