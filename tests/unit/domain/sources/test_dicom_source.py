"""A tree of DICOM files joined with a table of reports."""

import csv
from pathlib import Path

import numpy as np
import pytest
from domain_cases import write_dicom, write_settings

from transferlab.config.source import SourceSection
from transferlab.core.records import SPLITS
from transferlab.domain.base.rows import WHERE
from transferlab.domain.handle import open_domain
from transferlab.domain.loader import load_domain
from transferlab.domain.media.dicom_files import list_dicom_files
from transferlab.domain.rows.row_source import read_rows
from transferlab.domain.sources.dicom import read_dicom_tree
from transferlab.errors import DataError, InputError


def archive(root, studies=9, **elements):
    """Two pictures a study, in folders, and a table of reports keyed by accession number."""
    reports = []
    for study in range(studies):
        for number in range(2):
            path = root / "archive" / f"S{study}" / f"I{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(10 * study + number).integers(0, 4096, (8, 8), np.uint16)
            settings = {"PatientID": f"P{study // 2}", "AccessionNumber": f"A{study}"}
            write_dicom(path, pixels, BitsStored=12, HighBit=11, **(settings | elements))
        reports.append({"acc": f"A{study}", "report": f"Finding number {study}."})
    return write_reports(root, reports)


def write_reports(root, reports):
    with (root / "reports.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(reports[0]))
        writer.writeheader()
        writer.writerows(reports)
    return reports


def source(**changes):
    reports = {"path": "reports.csv", "column": "acc", "tag": "AccessionNumber"}
    settings = {"kind": "dicom", "path": "archive", "reports": reports}
    media = {"xray": {"kind": "dicom", "path": "{file}"}}
    return settings | {"media": media} | changes


def read(root, table=None, **changes):
    changes = {"reports": None} | changes if table is None else changes
    section = SourceSection.model_validate(source(**changes))
    rows = [row | {"_where": f"reports.csv row {n}"} for n, row in enumerate(table or [], 1)]
    return read_dicom_tree(root / "archive", root, section, rows, file=Path("domain.yaml"))


def domain(root, **changes):
    task = {
        "kind": "describe",
        "prompt": "<xray>\n{PatientSex} {PatientAge}",
        "answer": "{report}",
        "metrics": ["token_f1"],
    }
    return write_settings(
        root,
        source=source(**changes),
        group="PatientID",
        attributes=["Modality"],
        tasks={"report": task},
    )


def test_pictures_are_joined_with_reports_and_grouped_by_patient(tmp_path):
    archive(tmp_path)
    data = load_domain(domain(tmp_path))
    samples = [one for side in SPLITS for one in data.splits[side]]
    assert len(samples) == 18
    assert len({one.group for one in samples}) == 5
    assert {one.attributes["Modality"] for one in samples} == {"DX"}
    by_study = {one.media[0].path.parent.name: one.answer for one in samples}
    assert by_study["S3"] == "Finding number 3."


def test_what_has_no_counterpart_is_named_on_both_sides(tmp_path):
    reports = archive(tmp_path)
    del reports[0]
    reports.append({"acc": "A99", "report": "of nobody"})
    reports.append({"acc": " ", "report": "no key"})
    rows, bad = read(tmp_path, reports)
    assert len(rows) == 16
    assert bad == [
        ("DICOM file 1 in the order of paths", "no report has its AccessionNumber"),
        ("DICOM file 2 in the order of paths", "no report has its AccessionNumber"),
        ("reports.csv row 9", "no DICOM file has this AccessionNumber"),
        ("reports.csv row 10", "'acc' is empty"),
    ]
    optional = {"path": "r.csv", "column": "acc", "tag": "AccessionNumber", "optional": True}
    rows, bad = read(tmp_path, reports, reports=optional)
    assert len(rows) == 18
    assert rows[0]["report"] == ""


def test_only_the_user_resolves_what_messages_call_a_file(tmp_path):
    archive(tmp_path)
    handle = open_domain(domain(tmp_path))
    for where in ("DICOM file 2 in the order of paths", "DICOM file 2"):
        (file,) = handle.files_of(where)
        assert file == list(list_dicom_files(tmp_path, tmp_path))[1]
    (row, *_), _ = read_rows(handle.source)
    (named,) = handle.files_of(row[WHERE])
    assert named == handle.root / row["file"]
    assert handle.files_of(f"{row[WHERE]}, cue 3") == [named]
    for nothing in ("DICOM file 900", "reports.csv row 900", ""):
        with pytest.raises(InputError, match="has nothing called"):
            handle.files_of(nothing)


def test_a_uid_or_the_file_name_may_be_the_key_and_several_reports_give_several_rows(tmp_path):
    archive(tmp_path, studies=1)
    (row, _), _ = read(tmp_path)
    by_uid = {"path": "r.csv", "column": "uid", "tag": "SOPInstanceUID"}
    table = [{"uid": row["SOPInstanceUID"], "q": "one"}, {"uid": row["SOPInstanceUID"], "q": "two"}]
    joined, bad = read(tmp_path, table, reports=by_uid)
    assert [one["q"] for one in joined] == ["one", "two"]
    assert len(bad) == 1
    by_file = {"path": "r.csv", "column": "f", "tag": "file"}
    joined, _ = read(tmp_path, [{"f": "archive/S0/I1"}], reports=by_file)
    assert [one["file"] for one in joined] == ["archive/S0/I1"]
    by_number = {"path": "r.csv", "column": "acc", "tag": "00080050"}
    assert len(read(tmp_path, [{"acc": "A0"}], reports=by_number)[0]) == 2


def test_other_files_and_files_without_pictures(tmp_path):
    archive(tmp_path, studies=1)
    folder = tmp_path / "archive"
    (folder / "notes.txt").write_text("not DICOM and not meant to be")
    (folder / ".hidden.dcm").write_text("x")
    (folder / "broken.dcm").write_bytes(b"\0" * 200)
    report = write_dicom(folder / "sr", np.zeros((2, 2), np.uint8), Modality="SR", Rows=None)
    assert report.exists()
    rows, bad = read(tmp_path)
    assert len(rows) == 2
    assert sorted(reason for _, reason in bad) == [
        "it holds no picture (modality SR)",
        "the file is not a DICOM file (the marker 'DICM' is missing)",
    ]


def test_only_some_modalities(tmp_path):
    archive(tmp_path, studies=2)
    write_dicom(tmp_path / "archive" / "ct", np.eye(2, dtype=np.uint16), Modality="CT")
    assert len(read(tmp_path)[0]) == 5
    assert len(read(tmp_path, only={"Modality": ["DX"]})[0]) == 4


def test_a_report_of_a_file_that_is_left_out_does_not_lack_one(tmp_path):
    table = [*archive(tmp_path, studies=2), {"acc": "A7", "report": "structured"}]
    write_dicom(
        tmp_path / "archive" / "sr", np.eye(2, dtype=np.uint16), Modality="SR", Rows=None,
        AccessionNumber="A7",
    )  # fmt: skip
    reports = source()["reports"]
    rows, bad = read(tmp_path, table, reports=reports, only={"Modality": ["DX"]})
    assert (len(rows), bad) == (4, [])
    # Nor does one of a file without a picture, which is named once.
    bad = read(tmp_path, table, reports=reports)[1]
    assert [reason for _, reason in bad] == ["it holds no picture (modality SR)"]


def test_more_tags_become_columns(tmp_path):
    archive(tmp_path, studies=1, ImageType=["ORIGINAL", "PRIMARY"], StudyDescription="Chest")
    rows, _ = read(tmp_path, tags=["ImageType", "00081030"])
    assert (rows[0]["ImageType"], rows[0]["00081030"]) == ("ORIGINAL\\PRIMARY", "Chest")


def test_a_link_out_of_the_tree_is_not_followed(tmp_path):
    archive(tmp_path, studies=1)
    outside = write_dicom(tmp_path / "outside.dcm", np.eye(2, dtype=np.uint16))
    (tmp_path / "archive" / "link.dcm").symlink_to(outside)
    rows, bad = read(tmp_path)
    assert (len(rows), bad) == (2, [])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tags": ["AccesionNumber"]}, "no DICOM element 'AccesionNumber'"),
        (
            {"reports": {"path": "reports.csv", "column": "nr", "tag": "AccessionNumber"}},
            "no column 'nr'",
        ),
    ],
)
def test_a_name_that_does_not_exist_is_an_input_error(tmp_path, changes, says):
    archive(tmp_path, studies=1)
    with pytest.raises(InputError, match=says):
        load_domain(domain(tmp_path, **changes))


def test_an_empty_folder(tmp_path):
    archive(tmp_path, studies=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no DICOM file"):
        load_domain(domain(tmp_path, path="empty"))


def test_dicom_settings_belong_to_dicom():
    with pytest.raises(ValueError, match="only with kind 'dicom'"):
        SourceSection.model_validate({"kind": "table", "tags": ["Modality"]})


def test_a_report_that_names_another_patient_or_picture_is_not_joined(tmp_path):
    table = archive(tmp_path, 3)
    for column, value in (("PatientID", "P9"), ("StudyInstanceUID", "1.2"), ("file", "x.dcm")):
        own = {"PatientID": "P0", "StudyInstanceUID": "", "file": ""}[column]
        changed = [table[0] | {column: value}, table[1] | {column: own}]
        rows, bad = read(tmp_path, changed, reports=source()["reports"])
        has_own = column != "StudyInstanceUID"  # the files have none
        assert len([why for _, why in bad if f"column '{column}' differs" in why]) == 2 * has_own
        assert len(rows) == 4 - 2 * has_own
        assert all(row["PatientID"] == "P0" and row["file"].startswith("archive/") for row in rows)
