"""Elements as the confidentiality profile of PS3.15 wants them."""

import json
from datetime import datetime

import pytest
from privacy_cases import KnownOnly, hospital_settings, planted
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.valuerep import PersonName

from transferlab.domain.handle import open_domain
from transferlab.domain.privacy import text_scrubber
from transferlab.domain.privacy.dicom_identifiers import stated_identifiers
from transferlab.domain.privacy.dicom_profile import SHIFT_DAYS, deidentify, treatment
from transferlab.domain.privacy.known_identifiers import Identifiers, find_known
from transferlab.domain.rows.row_source import read_rows
from transferlab.errors import InputError


@pytest.mark.parametrize(
    ("keyword", "expected"),
    [
        ("PatientName", "remove"),
        ("PatientID", "pseudonym"),
        ("PatientBirthDate", "remove"),
        ("StudyDate", "date"),
        ("AcquisitionDateTime", "date"),
        ("StudyTime", "remove"),
        ("StudyInstanceUID", "uid"),
        ("SOPClassUID", "keep"),
        ("PatientSex", "remove"),
        ("StudyDescription", "remove"),
        ("Modality", "keep"),
        ("ViewPosition", "keep"),
    ],
)
def test_what_the_basic_profile_says_of_an_element(keyword, expected):
    assert treatment(Tag(tag_for_keyword(keyword))) == expected


def test_repeating_groups_and_private_elements_are_removed():
    assert treatment(Tag(0x60024000)) == "remove"  # overlay comments of the second overlay
    assert treatment(Tag(0x50100110)) == "remove"  # curve data
    assert treatment(Tag(0x00091001)) == "remove"


def test_characteristics_stay_where_asked_and_great_ages_become_one(key):
    keep = ["patient_characteristics"]
    assert treatment(Tag(tag_for_keyword("PatientSex")), keep=keep) == "keep"
    ages = [
        deidentify({"A": age}, {"A": "age"}, patient="P", key=key)["A"]
        for age in ("045Y", "089Y", "097Y", "003M", "")
    ]
    assert ages == ["045Y", "089Y", "090Y", "003M", ""]


def test_dates_of_a_patient_move_together_and_those_of_another_differently(key):
    def moved(value, patient):
        return deidentify({"D": value}, {"D": "date"}, patient=patient, key=key)["D"]

    first, second = (datetime.strptime(moved(d, "P1"), "%Y%m%d") for d in ("20240229", "20240310"))
    assert (second - first).days == 10
    assert 1 <= (datetime(2024, 2, 29) - first).days <= SHIFT_DAYS
    assert moved("20240229", "P2") != moved("20240229", "P1")
    assert moved("20240229101500.0", "P1") == moved("20240229", "P1")
    assert [moved(odd, "P1") for odd in ("2024", "soon", "00000000")] == ["", "", ""]
    assert moved("20240229", "") == ""


def test_uids_stay_consistent_valid_and_unlike_the_original(key):
    row = {"U": "1.2.840.1\\1.2.840.2", "V": "1.2.840.2"}
    done = deidentify(row, {"U": "uid", "V": "uid"}, patient="P", key=key)
    first, second = done["U"].split("\\")
    assert second == done["V"] != first
    assert first.startswith("2.25.")
    assert len(first) <= 64


def rows_of(entry):
    return read_rows(open_domain(entry).source)[0]


def test_joined_rows_hold_pseudonyms_and_no_planted_element(hospital):
    rows = rows_of(hospital())
    assert len(rows) == 12
    for row in rows:
        shown = {
            k: v for k, v in row.items() if k not in ("_known", "file", "stem", "report", "exam")
        }
        text = json.dumps(shown)
        found = [v for n in range(12) for k, v in planted(n).items() if v in text]
        assert found == []
        assert {"PatientSex", "PatientAge", "StudyDescription"} & set(row) == set()
        assert len(row["PatientID"]) == 16
    assert len({row["PatientID"] for row in rows}) == 12


def test_what_a_file_states_is_known_names_by_their_words(hospital):
    entry = hospital()
    rows = rows_of(entry)
    for number, row in enumerate(sorted(rows, key=lambda row: row["file"])):
        own, known = planted(number), Identifiers.from_json(row["_known"])
        assert {own["PatientName"], "Zbigniewski^Kasimir"} <= set(known.names)
        stated = {own["PatientID"], own["AccessionNumber"]}
        # Whole: a hospital's words are anybody's.
        assert stated | {"Saint Hildegard Infirmary"} <= set(known.values)
        surname, _, first = own["PatientName"].partition("^")
        text = f"{surname}, {first}, {own['PatientID']}, Kasimir"
        assert len(find_known(text, known)) == 4


def test_reports_that_call_columns_like_elements_are_treated_like_them(hospital):
    entry = hospital()
    table = (entry.folder / "reports.csv").read_text()
    (entry.folder / "reports.csv").write_text(table.replace("exam", "StudyDate"))
    dates = {row["StudyDate"] for row in rows_of(entry)}
    assert "20240229" not in dates
    assert len(dates) > 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attributes": ["PatientSex"]}, r"attributes: 'PatientSex' .* add privacy.keep"),
        ({"group": "PatientName"}, "group: 'PatientName' is removed by privacy.dicom .* leave"),
        ({"attributes": ["file"]}, "attributes: shows the column 'file', which holds file names"),
    ],
)
def test_what_is_removed_cannot_be_used(hospital, changes, message):
    source = {"tags": ["PatientName"]}
    changes = {"source": hospital_settings()["source"] | source} | changes
    with pytest.raises(InputError, match=message):
        rows_of(hospital(**changes))


def test_a_report_column_of_file_names_cannot_be_shown(hospital):
    reports = {"path": "reports.csv", "column": "acc", "tag": "stem"}
    source = hospital_settings()["source"] | {"reports": reports}
    with pytest.raises(InputError, match="attributes: shows the column 'acc', which holds file"):
        rows_of(hospital(source=source, attributes=["acc"]))


def test_what_is_kept_can_be_used(hospital):
    privacy = {"dicom": "deidentify", "keep": ["patient_characteristics"]}
    entry = hospital(
        attributes=["PatientSex"], privacy=privacy, elements=lambda n: {"PatientSex": "F"}
    )
    assert {row["PatientSex"] for row in rows_of(entry)} == {"F"}


def nested():
    """Names in a sequence in a sequence, and in private elements of every kind."""
    inner, outer = Dataset(), Dataset()
    inner.OperatorsName = "Quispe^Illari"
    outer.PersonIdentificationCodeSequence = [inner]
    block = Dataset()
    block.PatientName = "Okonkwo^Adaeze"
    private = Dataset()
    private.add_new(0x00091001, "LO", "Ottoline Pemberton")
    private.add_new(0x00091002, "UN", b"\x01\x00owner: Xu^Ngoc\x00")
    private.add_new(0x00091003, "SQ", [block])
    private.add_new(0x00091004, "DS", "1.5")
    private.add_new(0x00091005, "SH", "STANDARD")
    private.ContentCreatorIdentificationCodeSequence = [outer]
    return private


def test_names_in_sequences_and_private_elements_are_known():
    stated = stated_identifiers(nested())
    assert set(stated.names) == {
        "Quispe^Illari", "Okonkwo^Adaeze", "Ottoline Pemberton", "Xu^Ngoc",
    }  # fmt: skip


def test_a_name_that_does_not_say_that_it_is_utf8_is_known_as_it_reads():
    dataset = Dataset()
    dataset.PatientName = PersonName("王^小明".encode())
    assert find_known("王小明", stated_identifiers(dataset)) == [(0, 3)]


def test_an_element_that_cannot_be_read_is_nobodys_trouble():
    dataset = Dataset()
    value = {"VM": 1, "value_tell": 0, "is_implicit_VR": False, "is_little_endian": True}
    raw = RawDataElement(Tag(0x00181041), "DS", 3, b"abc", **{k: value[k] for k in list(value)[1:]})
    dataset._dict[raw.tag] = raw
    dataset.PatientName = "Ng^Xu"
    assert stated_identifiers(dataset).names == ("Ng^Xu",)


@pytest.mark.parametrize("privacy", [{"text": "scrub"}, {"text": "scrub", "dicom": "deidentify"}])
def test_texts_lose_what_their_file_and_their_report_say_of_people(hospital, monkeypatch, privacy):
    monkeypatch.setattr(text_scrubber, "Scrubber", KnownOnly)
    tasks = hospital_settings()["tasks"]
    tasks["report"] = {
        "kind": "describe",
        "prompt": "<xray>\nDescribe.",
        "answer": "{report}",
        "metrics": ["token_f1"],
    }
    entry = hospital(privacy=privacy, tasks=tasks, elements=lambda n: {"OperatorsName": "Ng^Bo"})
    table = (entry.folder / "reports.csv").read_text()
    table = table.replace("exam", "NameOfPhysiciansReadingStudy").replace("20240229", "Xu^Ho")
    (entry.folder / "reports.csv").write_text(
        table.replace("Heart", "Read by HO Xu and Bo Ng. Heart")
    )
    reports = {row["report"] for row in rows_of(entry)}
    assert reports == {
        "Read by [known] [known] and [known] [known]. Heart size is normal in [known]."
    }
