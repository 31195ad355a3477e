"""What is proposed for DICOM files can be used as it is, with privacy as it is advised."""

import csv

import numpy as np
import pytest
import yaml
from domain_cases import write_dicom

from transferlab.domain.catalog import read_entry
from transferlab.domain.handle import open_domain
from transferlab.domain.onboarding.proposal import propose
from transferlab.domain.validation.domain_check import check_domain


@pytest.fixture
def folder(tmp_path):
    """24 radiographs with reports, a structured report with one of its own, a broken file."""
    folder = tmp_path / "archive"
    folder.mkdir()
    rows = []
    for number in range(25):
        accession = f"ACC77{number:03}"
        pixels = np.random.default_rng(number).integers(0, 4000, (16, 16)).astype(np.uint16)
        picture = number < 24
        write_dicom(
            folder / f"im{number:02}.dcm", pixels, AccessionNumber=accession,
            PatientID=f"PAT{number // 2:03}", Modality="DX" if picture else "SR",
            PatientSex="FM"[number // 2 % 2], StudyInstanceUID=f"1.2.{number}",
            SOPInstanceUID=f"1.2.3.{number}", **({} if picture else {"Rows": None}),
        )  # fmt: skip
        finding = ["normal", "nodule"][number // 2 % 3 > 1]
        rows.append({"accession": accession, "finding": finding, "report": f"Report {number}."})
    with (folder / "reports.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def entry_of(tmp_path, settings):
    home = tmp_path / "domains" / "archive"
    home.mkdir(parents=True)
    (home / "domain.yaml").write_text(yaml.safe_dump(settings))
    return read_entry(home)


def test_files_left_out_by_modality_are_no_errors(folder, tmp_path):
    found = propose(folder, name="archive", licence="none")
    assert found.settings["source"]["only"] == {"Modality": ["DX"]}
    (note,) = [one for one in found.notes if one.startswith("source.only")]
    assert note == "source.only: DICOM files that are no pictures are left out: modality SR"
    report = check_domain(entry_of(tmp_path, found.settings))
    assert [one for one in report.problems if one.severity == "error"] == []


def test_what_no_modality_tells_is_named_and_nothing_is_left_out_for_it(folder):
    (folder / "im24.dcm").write_bytes(b"\0" * 200)
    found = propose(folder, name="archive", licence="none")
    assert "only" not in found.settings["source"]
    assert any(
        one.startswith("source.path: 1 DICOM file(s) cannot be used, first: the file is not")
        for one in found.notes
    )


def test_the_advised_privacy_section_fits_the_proposal(folder, tmp_path, with_key):
    found = propose(folder, name="archive", licence="none")
    assert "PatientSex" in found.settings["attributes"]
    (note,) = [one for one in found.notes if one.startswith("privacy:")]
    advised = yaml.safe_load(note[note.index("{") : note.index("}") + 1])
    assert advised["keep"] == ["patient_characteristics"]
    del advised["text"]  # needs an extra, and changes no column
    open_domain(entry_of(tmp_path, found.settings | {"privacy": advised})).source.columns()
