"""``transferlab doctor``."""

import json
import subprocess
import sys

import pytest


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty working directory, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRANSFERLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TRANSFERLAB_DATA", raising=False)
    return tmp_path


def test_one_line_for_each_check_and_nothing_is_written(command, place):
    done = command("doctor")
    *lines, last = done.out.splitlines()
    shown = {line.split()[0] for line in lines}
    assert (done.code, done.err) == (0, "")
    assert shown <= {"ok", "note"}
    assert len(lines) == int(last.split()[2]) + int(last.split()[4])
    for name in ("python", "libraries", "memory", "cores", "gpu", "runs", "tracking", "domains"):
        assert sum(f"  {name} " in line for line in lines) == 1, name
    assert list(place.iterdir()) == []


def test_a_problem_is_code_3_with_advice(command, place):
    (place / "runs").write_text("")
    done = command("doctor")
    assert done.code == 3
    (line,) = [line for line in done.out.splitlines() if line.startswith("problem")]
    assert line.endswith("runs is a file -> move it away")
    assert done.out.splitlines()[-1].startswith("1 problem(s)")


def test_json_has_the_same(command, place):
    (place / "runs").write_text("")
    done = command("doctor", "--json", "--data-root", place)
    content = json.loads(done.out)
    assert (done.code, content["status"]) == (3, "problem")
    found = {check["name"]: check for check in content["checks"]}
    assert found["runs"]["status"] == "problem"
    assert found["data root"]["found"].startswith(str(place))
    assert found["domains"]["details"]["domains"]["scenes"] == "generated"


WITHOUT = """
import sys
sys.modules["psutil"] = None  # as if it were not installed
from transferlab.cli import main
sys.exit(main(["doctor"]))
"""


def test_a_library_that_the_checks_need_may_be_missing(place):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 3, done.stderr
    assert "machine" in done.stdout
    assert "not looked at: psutil is missing" in done.stdout
    assert "  domains " in done.stdout, "what does not need it is looked at"
