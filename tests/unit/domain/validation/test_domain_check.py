"""Every fault that a domain can have, and what the check says about it."""

import tracemalloc
from collections import Counter

import numpy as np
import pytest
from domain_cases import (
    picture,
    toy_rows,
    write_dicom,
    write_domain,
    write_film,
    write_picture,
    write_table,
)
from PIL import Image

from transferlab.domain.catalog import read_entry
from transferlab.domain.loader import load_domain
from transferlab.domain.validation import image_duplicates
from transferlab.domain.validation.counts import thin_labels
from transferlab.domain.validation.domain_check import check_domain
from transferlab.errors import DataError

FREE = {
    "kind": "describe",
    "prompt": "<image>\nWhat is seen?",
    "answer": "{note}",
    "metrics": ["token_f1"],
}
REPORT = "the heart is normal in size and the lungs are clear without effusion or consolidation"
BY_COLUMN = {"column": "split"}


def kinds(report):
    return Counter((one.severity, one.kind) for one in report.problems)


def split_rows(patients=18, **changes):
    """Rows that say their split: patients in turn to train, validation and test."""
    names = ["training", "VAL", "test"]
    rows = toy_rows(patients, per_patient=2)
    return [row | {"split": names[int(row["patient"][1:]) % 3]} | changes for row in rows]


def check(folder, rows=None, **changes):
    return check_domain(write_domain(folder, rows=rows, **changes))


def test_a_sound_domain_has_no_problem_and_is_counted(tmp_path):
    report = check(tmp_path / "d", toy_rows(30))
    assert report.problems == ()
    assert report.sound
    assert (report.rows, report.media) == (60, 60)
    assert report.samples == {"train": 36, "validation": 12, "test": 12}
    assert report.groups == {"train": 18, "validation": 6, "test": 6}
    assert report.labels["finding"]["nodule"] == {"train": 18, "validation": 6, "test": 6}


def broken(path):
    return path.write_bytes(path.read_bytes()[:-30])


FAULTS = {
    "missing": (lambda p: p.unlink(), "the file is missing"),
    "empty": (lambda p: p.write_bytes(b""), "the file is empty"),
    "no picture": (lambda p: p.write_bytes(b"secret" * 9), "not a picture"),
    "truncated": (broken, "truncated or damaged"),
    "one value": (
        lambda p: Image.fromarray(np.full((8, 8), 7, np.uint8)).save(p),
        "all one value",
    ),
}


def test_every_bad_row_is_in_one_report(tmp_path):
    rows = toy_rows(30)
    entry = write_domain(tmp_path / "d", rows=rows)
    for number, (spoil, _) in enumerate(FAULTS.values()):
        spoil(tmp_path / "d" / rows[number]["file"])
    rows[10]["finding"] = ""
    rows[11]["patient"] = ""
    rows[12]["note"] = "<image>"
    write_table(tmp_path / "d" / "metadata.csv", rows)
    report = check_domain(entry)
    assert not report.sound
    assert kinds(report) == {("error", "medium"): len(FAULTS), ("error", "row"): 3}
    for number, (_, reason) in enumerate(FAULTS.values()):
        (one,) = (p for p in report.problems if p.where == f"metadata.csv row {number + 2}")
        assert reason in one.reason
        assert "images/" not in one.reason


def test_a_fine_pattern_in_a_jpeg_is_not_taken_for_one_value(tmp_path):
    board = np.indices((512, 512)).sum(0) % 2 * 255
    write_domain(tmp_path / "d")
    rows = toy_rows(30)
    rows[0]["file"] = "images/board.jpg"
    entry = write_domain(tmp_path / "d", rows=rows)
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "d" / "images" / "board.jpg")
    assert check_domain(entry).problems == ()


def test_flat_and_broken_films_and_dicoms_are_found(tmp_path):
    write_dicom(tmp_path / "d.dcm", np.full((8, 8), 5, np.uint16), BitsStored=12, HighBit=11)
    video = write_film(tmp_path / "whole.mp4", frames=50, rate=10, gop=5)
    media = {
        "flat": {"kind": "dicom", "path": "d.dcm"},
        "cut": {"kind": "video", "path": "cut.mkv"},
    }
    whole = write_film(tmp_path / "whole.mkv", frames=50, rate=10, gop=5)
    (tmp_path / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    assert video.exists()
    tasks = {
        name: {
            "kind": "describe",
            "prompt": f"<{name}> ?",
            "answer": "{note}",
            "metrics": ["token_f1"],
        }
        for name in media
    }
    report = check(tmp_path, toy_rows(4), source={"kind": "table", "media": media}, tasks=tasks)
    reasons = {one.reason for one in report.errors if one.where == "metadata.csv row 2"}
    assert any("medium 'flat': the picture is all one value" in reason for reason in reasons)
    assert any("medium 'cut': the video breaks off: it says 5.0 s" in reason for reason in reasons)


def test_a_label_outside_the_set_and_one_that_cannot_be_scored(tmp_path):
    rows = toy_rows(30)
    rows[3]["finding"] = "mass"
    task = {
        "kind": "classify",
        "prompt": "<image>\nWhich?",
        "answer": "{finding}",
        "choices": ["none", "nodule", "effusion"],
        "metrics": ["accuracy"],
    }
    report = check(tmp_path / "d", rows, tasks={"finding": task})
    assert kinds(report) == {("error", "row"): 1, ("warning", "label_count"): 2}
    assert {one.where for one in report.problems if one.kind == "label_count"} == {
        "tasks.finding, label 'effusion'"
    }


def test_few_test_samples_of_a_label_are_a_warning(tmp_path):
    report = check(tmp_path / "d", toy_rows(10))
    assert kinds(report) == {("warning", "label_count"): 2}
    assert report.sound


def test_many_thin_labels_are_one_problem_of_each_kind():
    labels = {"kind": {f"label {n}": {"train": 1, "val": 0, "test": n % 2} for n in range(1000)}}
    problems = thin_labels(labels)
    assert [(one.severity, one.where) for one in problems] == [
        ("warning", "tasks.kind"),
        ("warning", "tasks.kind"),
    ]
    assert "each of 500 labels has no sample in test" in problems[0].reason


def test_a_check_and_a_run_agree_about_three_samples(tmp_path):
    """No answer is in train and in test: there is nothing to learn that is scored."""
    rows = toy_rows(3)
    for number, row in enumerate(rows):
        row["finding"] = f"finding {number}"
    task = {"kind": "classify", "prompt": "<image>\nWhich?", "answer": "{finding}",
            "metrics": ["accuracy"]}  # fmt: skip
    report = check(tmp_path / "d", rows, tasks={"finding": task})
    assert not report.sound
    sentence = "no answer of its test split is in its train split"
    assert sentence in "".join(one.reason for one in report.errors)
    with pytest.raises(DataError, match=sentence):
        load_domain(read_entry(tmp_path / "d"))


def test_long_labels_are_shortened_and_long_texts_noted(tmp_path):
    rows = toy_rows(40)
    for row in rows:
        row["finding"] = row["finding"][0] * 10_000
    report = check(tmp_path / "d", rows)
    assert max(len(one.where) for one in report.problems) < 120
    long = [one for one in report.warnings if one.kind == "length"]
    assert len(long) == 1
    assert "have 10,0" in long[0].reason
    assert "79 more row(s)" in long[0].reason


def test_labels_that_are_alike_when_shortened_are_two_problems():
    counts = {"train": 1, "validation": 0, "test": 1}
    problems = thin_labels({"kind": {"x" * 500 + end: counts for end in "ab"}})
    assert len(problems) == 2


def test_a_task_that_nothing_fits_does_not_hide_the_others(tmp_path):
    never = FREE | {"where": {"sex": ["X"]}}
    rows = toy_rows(30)
    rows[0]["patient"] = ""
    report = check(tmp_path / "d", rows, tasks={"never": never, "note": FREE})
    assert ("error", "task") in kinds(report)
    assert ("error", "row") in kinds(report)


def test_duplicate_ids_repeats_and_contradictions(tmp_path):
    rows = [row | {"key": str(number)} for number, row in enumerate(toy_rows(30))]
    rows[5]["key"] = "4"
    rows.append(rows[0] | {"key": "again"})
    rows.append(rows[1] | {"key": "other", "finding": rows[0]["finding"]})
    report = check(tmp_path / "d", rows, id="key")
    found = {one.kind: one for one in report.problems}
    assert found["row"].reason == "its id is that of metadata.csv row 6"
    assert found["duplicate"].reason.endswith("as metadata.csv row 2")
    assert "metadata.csv row 3" in found["contradiction"].reason
    assert kinds(report)["error", "row"] == 1


def test_leaks_between_splits_given_by_a_column(tmp_path):
    rows = split_rows()
    entry = write_domain(tmp_path / "d", rows=rows, splits=BY_COLUMN)
    assert check_domain(entry).sound
    images = tmp_path / "d"
    by_side = {side: [r for r in rows if r["split"] == side] for side in ("training", "test")}
    (images / by_side["test"][0]["file"]).write_bytes(
        (images / by_side["training"][0]["file"]).read_bytes()
    )
    write_picture(images / by_side["training"][2]["file"], 500, side=256)
    near = picture(500, side=256).resize((180, 180)).convert("RGB")
    path = images / by_side["test"][2]["file"]
    near.save(path, "JPEG", quality=50)
    by_side["test"][4]["patient"] = by_side["training"][4]["patient"]
    write_table(tmp_path / "d" / "metadata.csv", rows)
    report = check_domain(entry)
    assert kinds(report)["error", "identical_medium"] == 1
    assert kinds(report)["error", "near_duplicate_picture"] == 1
    assert kinds(report)["error", "shared_group"] == 1
    (one,) = (p for p in report.problems if p.kind == "near_duplicate_picture")
    assert "(train)" in one.where
    assert "(test)" in one.where


def test_texts_that_two_splits_share_are_a_warning(tmp_path):
    rows = split_rows()
    train = next(row for row in rows if row["split"] == "training")
    test = next(row for row in rows if row["split"] == "test")
    train["note"], test["note"] = REPORT, REPORT.upper() + "."
    report = check(tmp_path / "d", rows, splits=BY_COLUMN, tasks={"note": FREE})
    assert kinds(report) == {("warning", "near_duplicate_text"): 1}
    other = "a fracture of the left clavicle with slight displacement seen in the second projection"
    test["note"] = other
    assert check(tmp_path / "e", rows, splits=BY_COLUMN, tasks={"note": FREE}).problems == ()


def test_near_pairs_agree_with_comparing_everything(monkeypatch):
    generator = np.random.default_rng(0)
    bits = generator.integers(0, 2, (300, 256), np.uint8)
    for copy in range(100):  # near ones, from 0 to 24 bits away
        flipped = generator.choice(256, copy % 25, replace=False)
        bits[200 + copy] = bits[copy]
        bits[200 + copy, flipped] ^= 1
    sides = np.array([0] * 200 + [2] * 100)
    expected = {
        (i, j, int((bits[i] != bits[j]).sum()))
        for i in range(200)
        for j in range(200, 300)
        if (bits[i] != bits[j]).sum() <= image_duplicates.NEAR_BITS
    }
    packed = [row.tobytes() for row in np.packbits(bits, axis=1)]
    bands = [
        sorted((image_duplicates.band(one, k), one, sides[n], n) for n, one in enumerate(packed))
        for k in range(image_duplicates.BANDS)
    ]
    apart = ~np.eye(3, dtype=bool)
    assert set(image_duplicates.near_pairs(bands, apart)) == expected
    monkeypatch.setattr(image_duplicates, "_AT_ONCE", 7)
    assert set(image_duplicates.near_pairs(bands, apart)) == expected
    assert len(expected) == 68


def test_a_row_that_no_task_asks_about_is_told(tmp_path):
    women = FREE | {"where": {"sex": ["F"]}}
    (one,) = check(tmp_path / "d", toy_rows(30), tasks={"note": women}).problems
    assert (one.kind, one.severity) == ("unasked", "warning")
    assert "29 more rows" in one.reason


def test_memory_does_not_hold_the_media(tmp_path):
    rows = toy_rows(30)
    entry = write_domain(tmp_path / "d", rows=rows)
    for number, row in enumerate(rows):
        write_picture(tmp_path / "d" / row["file"], number, side=512)
    check_domain(entry)  # imports are not part of it
    tracemalloc.start()
    check_domain(entry)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30 * 512 * 512, "sixty decoded pictures would be twice that"


@pytest.mark.parametrize("bad", ["unlabeled", ""])
def test_a_split_that_no_word_names_is_a_bad_row(tmp_path, bad):
    rows = split_rows()
    rows[0]["split"] = bad
    report = check(tmp_path / "d", rows, splits=BY_COLUMN)
    (one,) = report.errors
    assert one.reason == "the column 'split' names no split; see splits.values"
