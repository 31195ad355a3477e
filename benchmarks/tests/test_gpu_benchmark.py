"""benchmarks/gpu.py with small shapes, on whatever there is."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "gpu.py"


def test_small_shapes_run_and_say_what_they_took(tmp_path):
    asked = ["--shape", "small", "--batch", "2", "--steps", "1", "--skip", "TRL"]
    done = subprocess.run(
        [sys.executable, SCRIPT, *asked], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"shape"')]
    assert [one["who"].split()[0] for one in rows] == ["transferlab", "transferlab", "Trainer"]
    assert all(one["steps"] == 3 and one["seconds_per_step"] > 0 for one in rows)
    assert rows[0]["parameters"] == rows[1]["parameters"] > 1e6
