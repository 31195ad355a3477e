"""Tasks that brightness solves are a warning; a few groups that it separates by chance are none."""

import numpy as np
import pytest
from domain_cases import toy_rows, write_domain
from PIL import Image

from transferlab.domain.validation.domain_check import check_domain


def domain(folder, *, patients, brightness):
    """Pictures of noise; ``brightness`` of a row's number and label."""
    rows = toy_rows(patients, per_patient=1)
    entry = write_domain(folder, rows=rows)
    rng = np.random.default_rng(3)
    for number, row in enumerate(rows):
        grey = brightness(number, row["finding"]) + rng.integers(-20, 20, (16, 16))
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(folder / row["file"])
    return entry


def trivial(entry):
    return [one for one in check_domain(entry).problems if one.kind == "trivial"]


def by_label(number, label):
    return 60 if label == "nodule" else 180


def test_a_task_that_brightness_solves_is_named_with_the_figure(tmp_path):
    (found,) = trivial(domain(tmp_path / "toy", patients=30, brightness=by_label))
    assert (found.where, found.severity) == ("tasks.finding", "warning")
    assert "(AUROC 1.00)" in found.reason


@pytest.mark.parametrize("patients", [6, 8, 10])
def test_few_groups_are_separated_by_chance(tmp_path, patients):
    assert trivial(domain(tmp_path / "toy", patients=patients, brightness=by_label)) == []


def test_brightness_that_says_little_is_no_warning(tmp_path):
    def little(number, label):
        return 100 + 7 * (number % 11) + (5 if label == "nodule" else 0)

    assert trivial(domain(tmp_path / "toy", patients=40, brightness=little)) == []


def test_many_pictures_of_few_patients_are_no_evidence(tmp_path):
    folder = tmp_path / "toy"
    rows = toy_rows(6, per_patient=8)
    for row in rows:
        row["finding"] = ["none", "nodule"][int(row["patient"][1:]) % 2]
    entry = write_domain(folder, rows=rows)
    for row in rows:
        grey = np.random.default_rng(len(row["file"])).integers(0, 20, (16, 16))
        grey = grey + by_label(0, row["finding"]) + int(row["file"].split("_")[1][:-4])
        Image.fromarray(grey.astype(np.uint8)).save(folder / row["file"])
    assert trivial(entry) == []
