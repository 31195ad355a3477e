"""The commands that only look start quickly: without torch, MLflow or anything as heavy."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "peft", "avalanche", "monai", "mlflow", "sklearn", "matplotlib")

PROBE = """
import sys
from transferlab.cli import main
code = main(sys.argv[1:])
loaded = [name for name in {heavy} if name in sys.modules]
print("loaded:", *loaded, file=sys.stderr)
sys.exit(code)
"""


def probe(*arguments):
    return subprocess.run(
        [sys.executable, "-c", PROBE.format(heavy=HEAVY), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["run", "--help"], 0),
        (["domains", "list"], 0),
        (["domains", "show", "chest-xray"], 0),
        (["strategies", "list"], 0),
        (["strategies", "show", "ewc"], 0),
        (["pipelines", "list"], 0),
        (["pipelines", "show", "radiology"], 0),
        (["validate", "pipelines/radiology.yaml"], 0),
        (["validate", "pipelines/radiology.yaml", "--set", "train.learning_rat=1"], 2),
        (["run", "pipelines/radiology.yaml", "--set", "stream=[nowhere]"], 2),
    ],
)
def test_nothing_heavy_is_imported(arguments, code):
    done = probe(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stderr.splitlines()[-1] == "loaded:"


def test_the_probe_would_see_a_heavy_library():
    script = PROBE.replace("code = main", "sys.modules['torch'] = sys\ncode = main")
    done = subprocess.run(
        [sys.executable, "-c", script.format(heavy=HEAVY), "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stderr.splitlines()[-1] == "loaded: torch"
