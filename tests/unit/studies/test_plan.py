"""The cells of a study: which there are, what is refused and where, and how many can be planned."""

import json
import subprocess
import sys
import time

import pytest

from transferlab.errors import InputError
from transferlab.studies.plan import plan_study


def refusal(file, folder):
    with pytest.raises(InputError) as caught:
        plan_study(file, domains=[folder])
    return str(caught.value)


def test_cells_are_run_at_every_point_of_the_grid(study_file, domain_folder):
    plan = plan_study(
        study_file(
            "overrides: {train.epochs: 5}\n"
            "grid: {seed: [0, 1]}\n"
            "cells:\n  - {stream: [cats, dogs], strategy.ewc.strength: 10}\n"
            "  - {strategy: [naive]}\n"
        ),
        domains=[domain_folder],
    )
    assert plan.varied == ("stream", "strategy.ewc.strength", "strategy", "seed")
    assert [cell.label for cell in plan.cells] == [
        'stream=["cats", "dogs"], strategy.ewc.strength=10, seed=0',
        'stream=["cats", "dogs"], strategy.ewc.strength=10, seed=1',
        'strategy=["naive"], seed=0',
        'strategy=["naive"], seed=1',
    ]
    first, third = (json.loads(plan.cells[at].document) for at in (0, 2))
    assert first["stream"] == ["cats", "dogs"]
    assert first["strategy"] == [{"ewc": {"strength": 10}}]
    assert (third["strategy"], third["stream"], third["seed"]) == (["naive"], ["cats"], 0)
    assert first["train"] == third["train"] == {"epochs": 5}
    assert first["tracking"] == {"experiment": "animals-study"}
    assert first["name"] == plan.cells[0].name


def test_one_cell_does_not_change_what_another_is_given(study_file, domain_folder):
    file = study_file(
        "overrides: {strategy: [{ewc: {strength: 1}}]}\n"
        "grid: {strategy.ewc.strength: [2, 3], strategy.ewc.mode: [online, separate]}\n"
    )
    found = [json.loads(one.document) for one in plan_study(file, domains=[domain_folder]).cells]
    options = [one["strategy"][0]["ewc"] for one in found]
    assert [(one["strength"], one["mode"]) for one in options] == [
        (2, "online"), (2, "separate"), (3, "online"), (3, "separate"),
    ]  # fmt: skip


def test_a_cell_keeps_its_name_until_its_configuration_changes(study_file, domain_folder):
    def names(text):
        cells = plan_study(study_file(text), domains=[domain_folder]).cells
        return {cell.label: cell.name for cell in cells}

    short = names("grid: {seed: [0, 1]}\n")
    assert short.items() <= names("grid: {seed: [0, 1, 2]}\n").items()
    assert short == names("overrides: {tracking.experiment: other}\ngrid: {seed: [0, 1]}\n")
    assert not set(short.values()) & set(
        names("overrides: {train.epochs: 3}\ngrid: {seed: [0, 1]}\n").values()
    )


def test_an_experiment_that_the_pipeline_names_stays(study_file, domain_folder):
    file = study_file("overrides: {tracking.experiment: mine}\ngrid: {seed: [0]}\n")
    (cell,) = plan_study(file, domains=[domain_folder]).cells
    assert json.loads(cell.document)["tracking"] == {"experiment": "mine"}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("grid:\n  seed: [0, many]\n", 4, "grid.seed.1: seed: must be a whole number"),
        ("grid:\n  sed: [0]\n", 4, "grid.sed.0: sed: unknown key"),
        ("grid: {seed: [0]}\noverrides:\n  train.epochs: 0\n", 5, "train.epochs: must be"),
        ("cells:\n  - {seed: 1}\n  - {stream: [cat]}\n", 5, "there is no domain 'cat'. Did you"),
        ("cells:\n  - {strategy: [ewcc]}\n", 4, "cells.0.strategy: strategy: there is no"),
        ("cells:\n  - {strategy.replay.strength: 3}\n", 4, "has no item 'replay'"),
        ("grid: {seed: [3, 3]}\n", 3, "grid.seed.1: this cell is there twice (seed=3)"),
        ("grid: {seed: []}\n", 3, "grid.seed: "),
        ("grid: {seed: [0]}\nsteps: 3\n", 4, "steps: unknown key"),
        ("grid: {seed: [0]}\ncells:\n  - {seed: 1}\n", 1, "seed must stand in one of"),
        ("overrides: {seed: 1}\n", 1, "grid: a study varies something"),
    ],
)
def test_a_mistake_is_named_with_the_line_of_the_study(
    study_file, domain_folder, text, line, message
):
    file = study_file(text)
    found = refusal(file, domain_folder)
    assert found.startswith(f"{file}:{line}: ")
    assert message in found


def test_every_wrong_cell_is_named_and_each_problem_once(study_file, domain_folder):
    file = study_file("grid:\n  seed: [0, 1, -1]\n  train.epochs: [1, 0]\n")
    head, *lines = refusal(file, domain_folder).splitlines()
    assert head.startswith("2 problems in the cells of ")
    assert [line.split(": ")[1] for line in lines] == ["grid.train.epochs.1", "grid.seed.2"]


def test_very_many_problems_are_counted(study_file, domain_folder):
    found = refusal(study_file(f"grid: {{seed: {list(range(-50, 0))}}}\n"), domain_folder)
    assert len(found.splitlines()) == 22
    assert found.endswith("and 30 more")


def test_a_mistake_of_the_pipeline_is_named_with_its_line(study_file, domain_folder, tmp_path):
    file = study_file("grid: {seed: [0, 1]}\n")
    (tmp_path / "animals.yaml").write_text("name: animals\nstream: [cats]\nsteam: 3\n")
    assert refusal(file, domain_folder).startswith(f"{tmp_path / 'animals.yaml'}:3: steam: ")


def test_a_pipeline_that_is_not_there_is_named_with_its_line(tmp_path, domain_folder):
    file = tmp_path / "study.yaml"
    file.write_text("name: s\ngrid: {seed: [0]}\npipeline: smok\n")
    assert "Did you mean 'smoke'" in refusal(file, domain_folder)
    assert refusal(file, domain_folder).startswith(f"{file}:3: pipeline: ")
    file.write_text("name: s\ngrid: {seed: [0]}\npipeline: nowhere.yaml\n")
    assert "there is no such file" in refusal(file, domain_folder)


MANY = list(range(1, 101))
PLAN = """
import re, sys
from pathlib import Path
from transferlab.studies.plan import plan_study

assert len(plan_study(Path(sys.argv[1]), domains=[Path(sys.argv[2])]).cells) == 10_000
status = Path("/proc/self/status").read_text()
print(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])  # ru_maxrss begins with that of the parent
"""


def test_ten_thousand_cells_take_less_than_a_gibibyte(study_file, domain_folder):
    """In a process of its own: this one holds what other tests have left."""
    file = study_file(f"grid: {{data.max_train_samples: {MANY}, seed: {MANY}}}\n")
    done = subprocess.run(
        [sys.executable, "-c", PLAN, str(file), str(domain_folder)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) < 1024**2  # KiB


def test_ten_thousand_cells_are_planned_in_seconds(study_file, domain_folder):
    file = study_file(f"grid: {{data.max_train_samples: {MANY}, seed: {MANY}}}\n")
    started = time.process_time()
    plan = plan_study(file, domains=[domain_folder])
    assert time.process_time() - started < 10
    assert len({cell.name for cell in plan.cells}) == 10_000
