"""The wheel, unpacked: its commands from an empty folder, where no checkout is to be found."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WHERE = "import transferlab; print(transferlab.__file__)"


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder that holds the unpacked wheel as ``site`` and an empty folder ``work``."""
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling builds the wheel")
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = wheel.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "site")
    (folder / "work").mkdir()
    return folder


def run(place: Path, *arguments: str) -> str:
    """What a Python process in the empty folder prints."""
    kept = {key: value for key, value in os.environ.items() if key != "TRANSFERLAB_DATA"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=place / "work",
        env=kept | {"PYTHONPATH": str(place / "site"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def transferlab(place: Path, *arguments: str) -> str:
    return run(place, "-m", "transferlab", *arguments)


def test_it_is_the_wheel_that_answers(place):
    assert Path(run(place, "-c", WHERE).strip()).is_relative_to(place / "site")
    assert transferlab(place, "--version").startswith("transferlab ")


def test_its_pipelines_and_domains_are_found(place):
    pipelines = json.loads(transferlab(place, "pipelines", "list", "--json"))
    assert {Path(one["file"]).name for one in pipelines} == {
        path.name for path in (ROOT / "pipelines").glob("*.yaml")
    }
    assert all(Path(one["file"]).is_relative_to(place / "site") for one in pipelines)
    domains = json.loads(transferlab(place, "domains", "list", "--json"))
    shipped = {path.parent.name for path in (ROOT / "domains").glob("*/domain.yaml")}
    assert {one["name"] for one in domains} >= shipped
    checks = json.loads(transferlab(place, "doctor", "--json"))["checks"]
    assert {one["status"] for one in checks if one["name"] in ("python", "domains")} == {
        "ok",
        "note",
    }


def test_a_preview_finds_its_template(place):
    transferlab(place, "domains", "preview", "scenes", "--samples", "2", "--out", "page.html")
    assert "<html" in (place / "work" / "page.html").read_text("utf-8")


def test_the_smoke_pipeline_runs(place):
    transferlab(place, "run", "smoke", "--out", "done")
    result = json.loads((place / "work" / "done" / "result.json").read_text("utf-8"))
    assert [one["status"] for one in result["exports"]] == ["done"]
