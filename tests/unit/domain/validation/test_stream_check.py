"""What two domains of one stream share, and samples that a backbone cannot take."""

from pathlib import Path

import pytest
from domain_cases import picture, toy_rows, write_domain, write_picture, write_table

from transferlab.domain.validation.domain_check import Ruler, check_domain, check_stream
from transferlab.errors import DataError

NOTE = "the heart is normal in size and the lungs are clear without effusion or consolidation"
FREE = {"kind": "describe", "prompt": "<image> ?", "answer": "{note}", "metrics": ["token_f1"]}


def domain(folder, name, *, first):
    """Eighteen pictures unlike those of another ``first``, on sides that the table says."""
    rows = [
        row | {"split": ["train", "val", "test"][number % 3], "patient": f"{name}{number}"}
        for number, row in enumerate(toy_rows(18, per_patient=1))
    ]
    settings = {"splits": {"column": "split"}, "tasks": {"note": FREE}, "version": 1}
    entry = write_domain(folder / name, rows=rows, name=name, **settings)
    for number, row in enumerate(rows):
        write_picture(folder / name / row["file"], first + number, side=64)
    return entry, rows


@pytest.fixture
def stream(tmp_path):
    """Two domains without anything in common: entries, and their rows."""
    xrays, scans = domain(tmp_path, "xrays", first=0), domain(tmp_path, "scans", first=100)
    return tmp_path, (xrays[0], scans[0]), (xrays[1], scans[1])


def test_domains_without_anything_in_common(stream):
    _, entries, _ = stream
    found = check_stream(entries)
    assert found.across == ()
    assert found.errors == []
    assert [report.domain for report in found.reports] == ["xrays", "scans"]
    assert [report.media for report in found.reports] == [18, 18]


def test_a_shared_picture_is_a_leak_only_on_different_sides(stream):
    folder, entries, (xrays, scans) = stream
    same = (folder / "xrays" / xrays[0]["file"]).read_bytes()
    (folder / "scans" / scans[3]["file"]).write_bytes(same)  # train and train
    assert check_stream(entries).across == ()
    (folder / "scans" / scans[2]["file"]).write_bytes(same)  # train and test
    found = check_stream(entries)
    (one,) = [problem for problem in found.across if problem.kind == "identical_medium"]
    assert one.where == "xrays: metadata.csv row 2 (train) and scans: metadata.csv row 4 (test)"
    assert "of two domains" in one.reason
    assert found.errors


def test_nearly_the_same_picture_and_text_in_two_domains(stream):
    folder, entries, (xrays, scans) = stream
    write_picture(folder / "xrays" / xrays[0]["file"], 500, side=256)
    small = picture(500, side=256).resize((180, 180)).convert("RGB")
    small.save(folder / "scans" / scans[2]["file"], "JPEG", quality=50)
    for rows, row, text in ((xrays, 3, NOTE), (scans, 5, NOTE.upper() + " today")):
        rows[row]["note"] = text
    for name, rows in (("xrays", xrays), ("scans", scans)):
        write_table(folder / name / "metadata.csv", rows)
    found = check_stream(entries)
    assert [(one.severity, one.kind) for one in found.across] == [
        ("error", "near_duplicate_picture"),
        ("warning", "near_duplicate_text"),
    ]
    assert found.across[1].where.startswith("xrays: metadata.csv row 5 (train) and scans: ")
    assert found.to_record()["sound"] is False


def test_samples_that_a_backbone_cannot_take_are_told_with_their_rows(stream):
    _, (entry, _), (rows, _) = stream

    def length(sample):
        if sample.answer == rows[4]["note"]:
            raise DataError("its answer holds the image token")
        return 900 if sample.answer == rows[7]["note"] else 500

    rows[4]["note"], rows[7]["note"] = "a note of its own", "a note that is long"
    write_table(entry.folder / "metadata.csv", rows)
    report = check_domain(entry, ruler=Ruler(length_tokens=length, limit_tokens=500))
    assert [(one.kind, one.where) for one in report.errors] == [
        ("row", "metadata.csv row 6"),
        ("length", "metadata.csv row 9"),
    ]
    assert "900 tokens with media and answer, more than the backbone's 500" in (
        report.errors[1].reason
    )


def test_alike_texts_by_the_thousand_are_told_once_and_soon(tmp_path):
    rows = [
        {"file": "images/0.png", "note": f"{NOTE} in study number {number}", "patient": str(number)}
        for number in range(120)
    ]
    entry = write_domain(
        tmp_path / "d", rows=rows, tasks={"note": FREE | {"prompt": "?"}}, attributes=[]
    )
    (one,) = check_domain(entry).problems
    assert one.kind == "near_duplicate_text"
    assert int(one.reason.partition("so have ")[2].split()[0]) > 60


def test_no_file_name_and_no_text_is_left_in_what_a_check_keeps_on_disk(tmp_path, monkeypatch):
    from transferlab.domain.validation import sample_index

    kept = []
    monkeypatch.setattr(sample_index, "_MEMORY_KB", 1)
    whole = sample_index.SampleIndex.index

    def copy(self):
        whole(self)
        path = self.database.execute("PRAGMA database_list").fetchone()[2]
        self.database.execute("COMMIT")
        kept.append(Path(path).read_bytes())

    monkeypatch.setattr(sample_index.SampleIndex, "index", copy)
    entry, _ = domain(tmp_path, "xrays", first=0)
    check_domain(entry)
    (content,) = kept
    assert b"metadata.csv row 4" in content
    assert b"images/" not in content
    assert NOTE.encode() not in content
