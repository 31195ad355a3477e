"""benchmarks/side_by_side.py: pieces of a study in processes of their own."""

import os
from pathlib import Path

import pytest
from joblib import cpu_count


@pytest.fixture(scope="module")
def side_by_side(import_benchmark):
    return import_benchmark("side_by_side").side_by_side


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    """What the processes are told of threads does not stay behind in the tests' own."""
    monkeypatch.setenv("OMP_NUM_THREADS", "")


def note(folder: str, name: str) -> str:
    if name == "broken":
        raise ValueError("no such piece")
    (Path(folder) / name).write_text(str(os.getpid()))
    return name


def test_every_piece_has_a_new_process_and_its_share_of_the_cores(side_by_side, tmp_path, capfd):
    side_by_side(note, [(str(tmp_path), name) for name in ("one", "two")], jobs=1)
    made = {(tmp_path / name).read_text() for name in ("one", "two")}
    assert len(made | {str(os.getpid())}) == 3
    assert int(os.environ["OMP_NUM_THREADS"]) == cpu_count()
    assert "one: done" in capfd.readouterr().err


def test_one_that_fails_is_raised_when_the_others_have_ended(side_by_side, tmp_path, capfd):
    pieces = [(str(tmp_path), name) for name in ("broken", "late")]
    with pytest.raises(ValueError, match="no such piece"):
        side_by_side(note, pieces, jobs=1)
    assert (tmp_path / "late").exists()
    assert "no such piece" in capfd.readouterr().err
