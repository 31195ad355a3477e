"""docs/extending.md: its package, installed beside transferlab, in a run of its own."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extending.md"
BLOCK = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.S)
COLOURS = {"red": (200, 30, 30), "green": (30, 160, 60), "blue": (30, 60, 200)}


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """The page's files, with the metadata that an installer would write."""
    folder = tmp_path_factory.mktemp("my-lab")
    for name, content in BLOCK.findall(PAGE.read_text("utf-8")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / "my_lab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-lab\nVersion: 1.0\n")
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))
    pictures = folder / "domains" / "colours" / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(0)
    for number in range(60):
        label = sorted(COLOURS)[number % 3]
        noise = rng.integers(0, 40, size=(48, 48, 3)) + np.array(COLOURS[label])
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(
            pictures / f"{label}-{number:02}.png"
        )
    return folder


def transferlab(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-m", "transferlab", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_one_of_each_from_another_distribution(package):
    done = transferlab(package, "run", "my-lab.yaml", "--out", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((package / "out" / "result.json").read_text())
    task = result["arms"]["sequential"]["colours"]["tasks"]["colour"]
    assert set(task["metrics"]) == {"accuracy", "variety"}
    assert 1 / 3 <= task["metrics"]["variety"] <= 1
    measured = result["similarity"]["colours"]
    assert {(one["name"], one["features"]) for one in measured} == {
        *(("frechet", kind) for kind in ("image", "text", "joint")),
        ("label_entropy_gap", "joint"),
    }
    controls = result["controls"]["colours"]["colour"]
    assert 0 <= controls["first_choice"] <= 1
    assert {one["kind"]: one["status"] for one in result["exports"]} == {
        "adapter": "done",
        "arrays": "done",
    }
    assert (package / "out" / "exports" / "arrays" / "tensors.npz").exists()
    assert result["domains"]["colours"]["source_kind"] == "named_pictures"
    assert result["steps"][0]["terms"]["pull_share"] == pytest.approx(0.05)
    assert "first choice" in done.stdout


def test_what_is_wrong_with_them_is_one_sentence(package):
    file = package / "domains" / "colours" / "domain.yaml"
    sound = file.read_text()
    try:
        file.write_text(sound.replace("named_pictures", "named_picture"))
        done = transferlab(package, "domains", "check", "colours")
        assert done.returncode == 2
        assert "Did you mean 'named_pictures'?" in done.stdout + done.stderr
        file.write_text(sound.replace("separator:", "seperator:"))
        done = transferlab(package, "domains", "check", "colours")
        assert done.returncode == 2
        said = " ".join((done.stdout + done.stderr).split())
        assert "source.options.seperator: unknown key; did you mean 'separator'?" in said
        done = transferlab(package, "validate", "my-lab.yaml")
        assert done.returncode == 2
        assert "source.options.seperator: unknown key" in " ".join(done.stderr.split())
    finally:
        file.write_text(sound)
    (package / "domains" / "colours" / "pictures" / "unlabelled.png").write_bytes(b"")
    done = transferlab(package, "domains", "check", "colours")
    (package / "domains" / "colours" / "pictures" / "unlabelled.png").unlink()
    assert "its name has no label" in done.stdout + done.stderr
