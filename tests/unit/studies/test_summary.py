"""What a study keeps of its cells: every number, means over seeds, and where each cell stands."""

import csv
import json

import pytest

from transferlab.studies.plan import plan_study
from transferlab.studies.runner import cell_folder, run_cells
from transferlab.studies.summary import StudySummary


@pytest.fixture
def plan(quantities, domain_folder):
    return plan_study(quantities, domains=[domain_folder])


def run_all(plan, out, runner):
    out.mkdir(exist_ok=True)
    summary = StudySummary(plan, out)
    for outcome in run_cells(summary.waiting(), runner, workers=1):
        summary.add(outcome)
        summary.write()
    return json.loads((out / "study.json").read_text())


def by_quantity(record):
    return {one["settings"]["data.max_train_samples"]: one for one in record["means"]}


def test_every_cell_has_its_figures(plan, tmp_path, fake_runner):
    found = run_all(plan, tmp_path / "out", fake_runner(tmp_path / "out"))
    assert found["counts"] == {"done": 4, "failed": 0, "waiting": 0}
    assert found["varied"] == ["data.max_train_samples", "seed"]
    last = found["cells"][3]
    assert last["settings"] == {"data.max_train_samples": 8, "seed": 1}
    assert (last["seed"], last["train_samples"], last["train_seconds"]) == (1, {"cats": 8}, 3.5)
    single = last["arms"]["single"]["cats"]
    assert (single["value"], single["interval"], single["confidence"]) == (0.55, [0.1, 0.9], 0.95)
    (gain,) = last["gains"]
    assert (gain["arm"], gain["over"], gain["interval"]) == ("single", "scratch", [-0.2, 0.7])
    assert gain["value"] == pytest.approx(0.3)
    assert last["forgetting"]["forgetting"]["value"] == 0.03


def test_seeds_become_a_mean_with_every_point(plan, tmp_path, fake_runner):
    found = by_quantity(run_all(plan, tmp_path / "out", fake_runner(tmp_path / "out")))
    assert list(found) == [4, 8]
    single = found[4]["arms"]["single"]["cats"]
    assert found[4]["seeds"] == [0, 1]
    assert single["by_seed"] == [0.45, 0.5]
    assert single["value"] == pytest.approx(0.475)
    # Student's quantile for two seeds is 12.7: 12.7 * 0.025 on each side, before test groups.
    assert single["interval"][0] < 0.475 - 12.7 * 0.025
    gains = {(one["arm"], one["over"]): one for one in found[4]["gains"]}
    assert gains["single", "scratch"]["by_seed"] == pytest.approx([0.2, 0.25])
    assert gains["single", "zero_shot"]["value"] == pytest.approx(0.275)
    forgetting = found[4]["forgetting"]["forgetting"]
    assert (forgetting["value"], forgetting["by_seed"]) == (pytest.approx(0.025), [0.02, 0.03])
    assert forgetting["interval"] == pytest.approx([0.025 - 0.06353, 0.025 + 0.06353], abs=1e-4)


def test_a_failed_cell_fails_alone_and_is_run_again(plan, tmp_path, fake_runner):
    label = "data.max_train_samples=4, seed=1"
    out = tmp_path / "out"
    first = fake_runner(out, failing=(label,))
    found = run_all(plan, out, first)
    assert found["counts"] == {"done": 3, "failed": 1, "waiting": 0}
    (failed,) = [one for one in found["cells"] if one["status"] == "failed"]
    assert failed["reason"] == "the memory is used up"
    alone = by_quantity(found)[4]
    assert alone["seeds"] == [0]
    assert alone["arms"]["single"]["cats"]["interval"] == [0.1, 0.9]
    second = fake_runner(out)
    assert run_all(plan, out, second)["counts"]["done"] == 4
    assert (len(first.ran), second.ran) == (4, [label])


def test_a_study_that_was_stopped_goes_on(plan, tmp_path, fake_runner):
    out = tmp_path / "out"
    out.mkdir()
    summary = StudySummary(plan, out)
    for outcome in run_cells(summary.waiting()[:2], fake_runner(out), workers=1):
        summary.add(outcome)
        summary.write()
    halfway = json.loads((out / "study.json").read_text())
    assert halfway["counts"] == {"done": 2, "failed": 0, "waiting": 2}
    rest = fake_runner(out)
    went_on = run_all(plan, out, rest)
    assert rest.ran == [cell.label for cell in plan.cells[2:]]
    straight = run_all(plan, tmp_path / "other", fake_runner(tmp_path / "other"))
    assert went_on == straight


def test_a_damaged_result_is_a_failed_cell(plan, tmp_path, fake_runner):
    out = tmp_path / "out"
    run_all(plan, out, fake_runner(out))
    (cell_folder(out, plan.cells[0]) / "result.json").write_text("{}")
    summary = StudySummary(plan, out)
    ((cell, reason),) = summary.failures()
    assert cell == plan.cells[0]
    assert "result.json" in reason


def test_means_without_stages_have_a_reason_and_no_interval(plan, tmp_path, fake_runner):
    out = tmp_path / "out"
    run_all(plan, out, fake_runner(out))
    for file in (cell_folder(out, plan.cells[0]) / "stages").rglob("*.json"):
        file.unlink()
    single = StudySummary(plan, out).means()[0]["arms"]["single"]["cats"]
    assert (single["value"], single["interval"]) == (pytest.approx(0.475), None)
    assert "stages" in single["interval_reason"]


def test_the_table_has_a_row_per_number(plan, tmp_path, fake_runner):
    out = tmp_path / "out"
    run_all(plan, out, fake_runner(out, failing=("data.max_train_samples=8, seed=0",)))
    rows = list(csv.DictReader((out / "study.csv").open()))
    head = (out / "study.csv").read_text().splitlines()[0].split(",")
    assert len(set(head)) == len(head)
    # Four arms, a gain and forgetting of three cells, and the cell that failed.
    assert len(rows) == 3 * 6 + 1
    (failed,) = [row for row in rows if row["status"] == "failed"]
    assert (failed["data.max_train_samples"], failed["seed"], failed["value"]) == ("8", "0", "")
    (row,) = [
        one
        for one in rows
        if (one["what"], one["arm"]) == ("score", "single")
        and (one["data.max_train_samples"], one["seed"]) == ("8", "1")
    ]
    assert (float(row["value"]), float(row["low"]), float(row["high"])) == (0.55, 0.1, 0.9)
    assert (row["domain"], row["metric"]) == ("cats", "accuracy (breed)")


def test_settings_of_a_sheet_program_are_text_on_one_line(study_file, domain_folder, tmp_path):
    plan = plan_study(
        study_file("grid: {stream: [[cats, dogs], [dogs, cats]]}\n"), domains=[domain_folder]
    )
    (tmp_path / "out").mkdir()
    StudySummary(plan, tmp_path / "out").write()
    rows = list(csv.DictReader((tmp_path / "out" / "study.csv").open()))
    assert [row["stream"] for row in rows] == ['["cats", "dogs"]', '["dogs", "cats"]']
    assert {row["status"] for row in rows} == {"waiting"}
