"""docs/api.md: its code, word for word."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def test_the_code_block_runs_as_it_stands(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    score, licence = done.stdout.splitlines()[-2:]
    assert 0 <= float(score.split()[0]) <= 1
    assert licence.split()[0] == "CC0-1.0"
