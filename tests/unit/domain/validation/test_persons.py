"""One person in two groups, which another word than the group's holds together."""

import numpy as np
import pytest
from domain_cases import toy_rows, write_dicom, write_domain, write_settings

from transferlab.domain.onboarding.proposal import propose
from transferlab.domain.validation.domain_check import check_domain
from transferlab.domain.validation.persons import persons_of


def archive(folder, *, patient=lambda n: f"P{n // 3:03}", **elements):
    """36 pictures of 12 patients, each of its own study."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = ["accession,finding"]
    for n in range(36):
        write_dicom(
            folder / f"{n:02}.dcm",
            rng.integers(0, 255, (16, 16), dtype=np.uint8),
            AccessionNumber=f"ACC{7000 + 13 * n}",
            StudyInstanceUID=f"1.2.3.{n}",
            PatientID=patient(n),
            **{name: value(n) for name, value in elements.items()},
        )
        rows.append(f"ACC{7000 + 13 * n},{('normal', 'opacity')[n % 2]}")
    (folder / "reports.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_one_file_without_a_patient_does_not_take_the_group_from_the_others(tmp_path):
    folder = archive(tmp_path / "a", patient=lambda n: "" if n == 5 else f"P{n // 3:03}")
    proposal = propose(folder)
    assert proposal.settings["group"] == "PatientID"
    assert any("1 of 36 files have no PatientID" in note for note in proposal.notes)


def test_without_any_patient_the_study_is_the_group_and_that_is_said(tmp_path):
    proposal = propose(archive(tmp_path / "a", patient=lambda n: ""))
    assert proposal.settings["group"] == "StudyInstanceUID"
    assert any("no file has a PatientID" in note for note in proposal.notes)


@pytest.mark.parametrize(
    ("row", "text", "numbers"),
    [
        ({"Patient ID": " Ab-12 "}, "", ["ab-12"]),
        ({"mrn": "77"}, "", ["77"]),
        ({"patient_sex": "F", "subject": "physics", "patient": ""}, "", []),
        ({}, "MRN: 00123456. Clear lungs.", ["00123456"]),
        ({}, "Medical record number AB-7781, follow-up", ["ab-7781"]),
        ({}, "Patient number two is well; patient no known disease.", []),
    ],
)
def test_what_names_a_person(row, text, numbers):
    assert list(persons_of(row, text)) == [f"number {one}" for one in numbers]


def shared(report):
    return [(one.severity, one.reason) for one in report.problems if one.kind == "shared_person"]


def check_archive(folder, group, **elements):
    archive(folder, **elements)
    settings = propose(folder).settings | {"group": group, "name": "toys", "licence": "none"}
    return check_domain(write_settings(folder, **settings))


@pytest.mark.parametrize(
    "elements",
    [
        {},
        {
            "patient": lambda n: f"S{n}",
            "PatientName": lambda n: (f"Doe{n // 3}^Jo", f"JO, DOE{n // 3}")[n % 2],
            "PatientBirthDate": lambda n: "19700101",
        },
    ],
    ids=["number", "name and birth"],
)
def test_a_group_that_splits_a_patient_is_a_leak(tmp_path, elements):
    found = shared(check_archive(tmp_path / "a", "StudyInstanceUID", **elements))
    assert found
    assert {severity for severity, _ in found} == {"error"}
    assert "let the person be the group" in found[0][1]


def test_the_patient_as_group_is_none(tmp_path):
    assert not shared(check_archive(tmp_path / "a", "PatientID"))


def test_a_name_that_everybody_has_is_a_placeholder(tmp_path):
    report = check_archive(
        tmp_path / "a", "StudyInstanceUID", patient=lambda n: f"S{n}",
        PatientName=lambda n: "REMOVED", PatientBirthDate=lambda n: "19000101",
    )  # fmt: skip
    ((severity, reason),) = shared(report)
    assert severity == "warning"
    assert "placeholder" in reason


@pytest.mark.parametrize("where", ["column", "report"])
def test_tables_and_reports_name_persons_too(tmp_path, where):
    rows = toy_rows(30)
    for number, row in enumerate(rows):
        mrn = f"4711{number // 6}"
        row |= {"mrn": mrn} if where == "column" else {"note": f"MRN {mrn}: clear lungs"}
    tasks = {
        "say": {"kind": "describe", "prompt": "<image>\nWhat?", "answer": "{note}",
                "metrics": ["token_f1"]},
    }  # fmt: skip
    for row in rows:
        row.setdefault("note", "clear lungs")
    found = shared(check_domain(write_domain(tmp_path / "d", rows=rows, tasks=tasks)))
    assert found
    assert {severity for severity, _ in found} == {"error"}


def test_two_files_that_say_they_are_one_object_are_named(tmp_path):
    def of(n):
        return "1.2.3.4.5" if n in (3, 20) else f"1.2.3.4.9.{n}"

    report = check_archive(tmp_path / "a", "PatientID", SOPInstanceUID=of)
    (found,) = [one for one in report.problems if one.kind == "shared_instance"]
    assert found.severity == "warning"
    assert "SOPInstanceUID of that of" in found.reason
    report = check_archive(tmp_path / "b", "PatientID", SOPInstanceUID=lambda n: f"1.2.3.4.9.{n}")
    assert not [one for one in report.problems if one.kind == "shared_instance"]
