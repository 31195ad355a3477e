"""Labels of one meaning in several spellings, and labels of none."""

import pytest
from domain_cases import toy_rows, write_domain

from transferlab.domain.onboarding.proposal import propose
from transferlab.domain.validation.domain_check import check_domain
from transferlab.domain.validation.label_spelling import describe_spellings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("normal", "Normal"),
        ("normal", "normal "),
        ("pneumonia", "Pneumonia."),
        ("caf\u00e9", "cafe\u0301"),
        ("no finding", "no-finding"),
        ("no finding", "No_Finding"),
        ("no finding", "no\u00a0finding"),
    ],
)
def test_spellings_of_one_label_are_one_sentence_with_counts(one, other):
    (said,) = describe_spellings({one: 3, other: 4, "opacity": 5})
    assert f"'{one}' (3), '{other}' (4)" in said


@pytest.mark.parametrize("label", ["nan", "None", "N/A", "n.a.", "-", "?", "unknown", "NULL"])
def test_labels_that_may_say_that_there_is_none(label):
    (said,) = describe_spellings({label: 2, "normal": 3})
    assert f"'{label}' (2) may say that there is none" in said


def test_labels_that_differ_in_more_are_not_named():
    different = ["C", "C++", "C#", "1", "-1", "+1", "1.5", "15", "<5", ">5", "no", "not"]
    assert list(describe_spellings(dict.fromkeys(different, 9))) == []
    assert list(describe_spellings({"normal": 3, "Normal": 0, "nan": 0})) == []


def test_check_warns_of_them(tmp_path):
    rows = toy_rows(40)
    for number, row in enumerate(rows):
        spelled = {"nodule": ["nodule", "Nodule."], "none": ["none", "nan"]}
        row["finding"] = spelled[row["finding"]][number // 2 % 2]
    report = check_domain(write_domain(tmp_path / "d", rows=rows))
    found = [one for one in report.problems if one.kind == "label_spelling"]
    assert [one.severity for one in found] == ["warning", "warning"]
    assert "differ in spelling only" in found[0].reason
    assert "'nan' (20)" in found[1].reason
    assert len(report.labels["finding"]) == 4  # nothing is merged


def test_register_says_so_too(tmp_path):
    rows = toy_rows(40)
    for number, row in enumerate(rows):
        row["finding"] = row["finding"].upper() if number % 4 else row["finding"]
    write_domain(tmp_path / "d", rows=rows)
    (tmp_path / "d" / "domain.yaml").unlink()
    notes = "".join(propose(tmp_path / "d").notes)
    assert "'NONE'" in notes
    assert "differ in spelling only" in notes
