"""``transferlab study``, with cells that take no time."""

import json

import pytest

from transferlab.cli import main
from transferlab.studies import runner as runners


@pytest.fixture
def study(capsys, monkeypatch, domain_folder, fake_runner):
    """``study(file, out, ..., failing=())``: the exit code and what was printed."""

    def call(*arguments, failing=()):
        monkeypatch.setattr(
            runners, "ProcessRunner", lambda out, **_: fake_runner(out, failing=failing)
        )
        words = ["study", *map(str, arguments), "--domains", str(domain_folder)]
        code = main(words)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_cells_are_shown_as_they_end_and_figures_after_them(study, quantities, tmp_path):
    out = tmp_path / "out"
    code, printed, errors = study(quantities, "--out", out, "--workers", 1)
    assert (code, errors) == (0, "")
    lines = printed.splitlines()
    assert lines[0] == f"study animals-study: 4 cells, 1 at once, in {out}"
    assert lines[1] == "1 of 4: data.max_train_samples=4, seed=0 done (0 s)"
    assert lines[4].startswith("4 of 4: data.max_train_samples=8, seed=1 done")
    assert "0: 0.450, 1: 0.500" in printed
    for words in ("single over scratch", "single over zero shot", "forgetting", "zero shot"):
        assert words in printed
    assert json.loads((out / "study.json").read_text())["counts"]["done"] == 4


def test_a_failed_cell_is_named_and_the_command_fails(study, quantities, tmp_path):
    out = tmp_path / "out"
    label = "data.max_train_samples=4, seed=1"
    code, printed, errors = study(quantities, "--out", out, failing=(label,))
    assert code == 1
    assert f"{label} failed after 0 s: the memory is used up" in printed
    assert f"{label} failed: the memory is used up" in errors
    assert "1 of 4 cells failed; give the same command again" in errors
    code, printed, errors = study(quantities, "--out", out)
    assert (code, errors) == (0, "")
    assert "4 cells, 3 finished before, 1 at once" in printed


def test_a_finished_study_is_shown_again_without_running(study, quantities, tmp_path):
    out = tmp_path / "out"
    study(quantities, "--out", out)
    code, printed, _ = study(quantities, "--out", out, failing=("none is run",))
    assert (code, "4 finished before, 0 at once" in printed) == (0, True)
    assert "0: 0.450, 1: 0.500" in printed


def test_a_dry_run_lists_the_cells_and_writes_nothing(study, quantities, tmp_path):
    code, printed, _ = study(quantities, "--out", tmp_path / "out", "--dry-run")
    assert code == 0
    assert "4 cells, 4 to run" in printed
    assert printed.count("waiting") == 4
    assert not (tmp_path / "out").exists()


def test_nothing_is_run_where_one_cell_is_wrong(study, study_file, tmp_path):
    file = study_file("grid:\n  data.max_train_samples: [4, 0]\n")
    code, printed, errors = study(file, "--out", tmp_path / "out")
    assert (code, printed) == (2, "")
    assert f"{file}:4: grid.data.max_train_samples.1: " in errors
    assert not (tmp_path / "out").exists()


def test_a_second_study_in_the_same_folder_is_refused(study, quantities, tmp_path):
    from filelock import FileLock

    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / "run.lock"):
        code, _, errors = study(quantities, "--out", tmp_path / "out")
    assert (code, "another run works in it" in errors) == (2, True)
