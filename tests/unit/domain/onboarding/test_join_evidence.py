"""Files and reports are joined on evidence that cannot be chance."""

import csv

import numpy as np
import pytest
from domain_cases import write_dicom

from transferlab.domain.base.join_keys import as_number, clash
from transferlab.domain.handle import open_domain
from transferlab.domain.onboarding.proposal import propose
from transferlab.domain.rows.row_source import read_rows
from transferlab.domain.validation.domain_check import check_domain
from transferlab.errors import InputError


def archive(folder, *, accession, patient=lambda n: f"PAT{n}", columns=None, count=24):
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 4000, (16, 16)).astype(np.uint16)
        write_dicom(
            folder / f"im{number}.dcm", pixels, AccessionNumber=accession(number),
            PatientID=patient(number), Modality="DX", StudyInstanceUID=f"1.2.{number}",
        )  # fmt: skip
    with (folder / "reports.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(columns(0, 0)))
        writer.writeheader()
        # In another order than the files'.
        for row, number in enumerate(np.random.default_rng(1).permutation(count), start=1):
            writer.writerow(columns(row, int(number)))
    return folder


def labelled(number):
    return {"label": ["normal", "opacity"][number % 2], "report": f"Made-up report {number}."}


def test_a_running_number_is_no_patient(tmp_path):
    folder = archive(
        tmp_path / "a", accession=lambda n: f"{7000 + n:08}", patient=lambda n: str(n + 1),
        columns=lambda row, n: {"no": row, "accession": 7000 + n, **labelled(n)},
    )  # fmt: skip
    found = propose(folder)
    assert found.settings["source"]["reports"] == {
        "path": "reports.csv",
        "column": "accession",
        "tag": "AccessionNumber",
        "normalise": "number",
    }
    assert any("column no of reports.csv holds small numbers" in note for note in found.notes)


def test_a_column_that_says_it_is_the_patient_is_taken(tmp_path):
    folder = archive(
        tmp_path / "a", accession=lambda n: "", patient=lambda n: str(n + 1),
        columns=lambda row, n: {"no": row, "patient_id": n + 1, **labelled(n)},
    )  # fmt: skip
    reports = propose(folder).settings["source"]["reports"]
    assert (reports["column"], reports["tag"]) == ("patient_id", "PatientID")


@pytest.mark.parametrize("written", ["{}", "{}.0"])
def test_keys_that_a_spreadsheet_rewrote_are_one_finding_and_join_when_asked(tmp_path, written):
    folder = archive(
        tmp_path / "a", accession=lambda n: f"{12_000 + n:08}",
        columns=lambda row, n: {"accession": written.format(12_000 + n), **labelled(n)},
    )  # fmt: skip
    settings = propose(folder).settings
    assert settings["source"]["reports"]["normalise"] == "number"
    entry = entry_of(tmp_path / "d", settings)
    rows, bad = read_rows(open_domain(entry).source)
    assert bad == []
    number = {f"im{n}.dcm": f"Made-up report {n}." for n in range(24)}
    assert all(row["report"] == number[row["file"]] for row in rows)
    del settings["source"]["reports"]["normalise"]
    problems = [one for one in check_domain(entry_of(tmp_path / "d", settings)).problems
                if one.kind in ("row", "splits", "task")]  # fmt: skip
    assert len(problems) == 1
    assert "all have one without leading zeros" in problems[0].reason


def entry_of(folder, settings):
    import yaml

    from transferlab.domain.catalog import read_entry

    folder.mkdir(exist_ok=True)
    (folder / "domain.yaml").write_text(yaml.safe_dump(settings))
    return read_entry(folder)


def test_two_sites_numbers_are_not_made_one(tmp_path):
    def accession(n):
        return f"{n % 12 + 100:0{8 if n < 12 else 5}}"

    folder = archive(
        tmp_path / "a", accession=accession,
        columns=lambda row, n: {"accession": n % 12 + 100, **labelled(n)},
    )  # fmt: skip
    with pytest.raises(InputError, match=r"no column of reports\.csv ties its rows"):
        propose(folder)


def test_numbers_of_keys():
    assert [as_number(key) for key in ("007", "7.0", "0", "A07", "7.5", "1.2.840")] == [
        *("7", "7", "0", "A07", "7.5", "1.2.840")
    ]
    assert clash(["007", "8", "7"]) == ("007", "7")
    assert clash(["7", "7", "8"]) is None
