"""A domain that asks for privacy: what samples, reports and messages hold."""

import json
import sys
from dataclasses import asdict

import numpy as np
import pytest
from domain_cases import toy_rows, write_domain
from privacy_cases import hospital_settings, planted

from transferlab.core.records import SPLITS
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.loader import load_domain
from transferlab.domain.media.decoder import decode
from transferlab.domain.privacy import burned_in_text, text_scrubber
from transferlab.domain.splits.manifest import split_manifest
from transferlab.domain.validation.domain_check import check_domain
from transferlab.errors import InputError, MissingExtra


def words():
    """Every planted string, and the parts of names."""
    values = {value for number in range(12) for value in planted(number).values()}
    return values | {part for value in values for part in value.split("^")}


def without_ocr(monkeypatch, *, boxes=(), characters=0):
    monkeypatch.setattr(burned_in_text, "require_reader", lambda: None)
    monkeypatch.setattr(burned_in_text, "text_boxes", lambda frame: list(boxes))
    monkeypatch.setattr(burned_in_text, "count_characters", lambda frame: characters)


def test_nothing_planted_leaves_the_process(hospital, monkeypatch):
    without_ocr(monkeypatch)
    entry = hospital(elements=lambda n: {"Modality": "SR"} if n == 1 else {})
    first = min((entry.folder / "pacs").rglob("*.dcm"))
    first.write_bytes(first.read_bytes()[:-60])  # a truncated file is quarantined
    data = load_domain(entry, on_bad_sample="quarantine")
    samples = [asdict(one) for side in SPLITS for one in data.splits[side]]
    for sample in samples:
        sample["media"] = [ref["alias"] for ref in sample["media"]]
    report = check_domain(entry).to_record()
    quarantined = [asdict(one) for one in data.quarantined]
    assert len(samples) == 11
    assert quarantined
    left = json.dumps([samples, report, quarantined, split_manifest(data), data.digest])
    assert [word for word in words() if word in left] == []
    assert "reports.csv row" in left  # not simply empty


def test_a_medium_that_vanishes_is_named_by_its_row(hospital):
    data = load_domain(hospital())
    ref = data.splits["train"][0].media[0]
    ref.path.unlink()
    with pytest.raises(UnreadableMedium, match=r"^reports.csv row \d+, picture 1: the file is mis"):
        decode(ref)


def test_ids_depend_on_the_key(hospital, monkeypatch):
    entry = hospital()
    first = load_domain(entry)
    monkeypatch.setenv("TRANSFERLAB_PRIVACY_KEY", "another key, and a long one at that")
    second = load_domain(entry)
    ids = [{one.id for side in SPLITS for one in d.splits[side]} for d in (first, second)]
    groups = [{one.group for side in SPLITS for one in d.splits[side]} for d in (first, second)]
    assert ids[0] & ids[1] == groups[0] & groups[1] == set()


def marked(number):
    return {"BurnedInAnnotation": "YES"} if number == 3 else {"BurnedInAnnotation": "NO"}


def test_a_picture_that_says_burned_in_is_refused(hospital):
    data = load_domain(hospital(elements=marked), on_bad_sample="quarantine")
    (bad,) = data.quarantined
    assert bad.reason.startswith("medium 'xray': its BurnedInAnnotation is YES")
    assert bad.where.startswith("reports.csv row 5")


def test_or_its_text_is_painted_over(hospital, monkeypatch):
    without_ocr(monkeypatch, boxes=[(2, 3, 10, 6)])
    privacy = {"dicom": "deidentify", "burned_in": "mask"}
    data = load_domain(hospital(elements=marked, privacy=privacy))
    refs = [one.media[0] for side in SPLITS for one in data.splits[side]]
    (ref,) = [one for one in refs if one.mask_text]
    (frame,) = decode(ref)
    assert len(refs) == 12
    assert not frame[3:6, 2:10].any()
    assert frame[7:].any()


def test_text_that_cannot_be_found_cannot_be_masked(hospital, monkeypatch):
    without_ocr(monkeypatch)
    privacy = {"dicom": "deidentify", "burned_in": "mask"}
    data = load_domain(hospital(elements=marked, privacy=privacy), on_bad_sample="quarantine")
    assert "none was found to be masked" in data.quarantined[0].reason


def test_likely_text_is_a_warning_that_does_not_repeat_it(hospital, monkeypatch):
    without_ocr(monkeypatch, characters=33)
    privacy = {"dicom": "deidentify", "searched_pictures": 5}
    found = [one for one in check_domain(hospital(privacy=privacy)).problems
             if one.kind == "burned_in_text"]  # fmt: skip
    assert len(found) == 5
    assert found[0].severity == "warning"
    assert "about 33 letters and digits" in found[0].reason


def test_texts_that_are_not_scrubbed_are_a_warning(hospital, monkeypatch):
    without_ocr(monkeypatch)
    task = hospital_settings()["tasks"]["finding"]
    tasks = {
        "finding": task,
        "report": {
            "kind": "describe",
            "prompt": "<xray>\nDescribe.",
            "answer": "{report}",
            "metrics": ["token_f1"],
        },
    }
    found = [one for one in check_domain(hospital(tasks=tasks)).problems if one.kind == "privacy"]
    assert [one.where for one in found] == ["tasks.report.answer"]
    assert "set privacy.text: scrub" in found[0].reason


def test_without_the_extra_the_check_says_that_it_did_not_search(hospital, monkeypatch):
    def missing():
        raise MissingExtra("finding text in pictures needs 'rapidocr': pip install it")

    monkeypatch.setattr(burned_in_text, "require_reader", missing)
    (found,) = [one for one in check_domain(hospital()).problems if one.kind == "burned_in_text"]
    assert found.reason.startswith("pictures were not searched for burned-in text: finding")


def test_masking_paints_boxes_of_a_large_picture_in_its_own_pixels(monkeypatch):
    class Found:
        boxes = [np.array([[10, 20], [50, 20], [50, 30], [10, 30]], float)]

    monkeypatch.setattr(burned_in_text, "_reader", lambda: lambda *_, **__: Found)
    frame = np.full((2048, 512, 3), 200, np.uint8)
    (clean,), places = burned_in_text.masked([frame])
    assert places == 1
    assert not clean[40:60, 20:100].any()
    assert clean[100:].all()
    assert frame.all(), "the original is not changed"


def test_open_labels_are_refused_where_texts_are_scrubbed(tmp_path, with_key):
    entry = write_domain(tmp_path / "toy", privacy={"text": "scrub"})
    with pytest.raises(InputError, match=r"tasks.finding.choices: must list the labels"):
        load_domain(entry)


@pytest.mark.parametrize(
    ("privacy", "message"),
    [
        ({"dicom": "deidentify"}, "privacy.dicom: the source has no DICOM files"),
        ({"identifiers": ["patient"]}, "identifiers: has no effect without privacy.text"),
        ({"keep": ["patient_characteristics"]}, "keep: has no effect without privacy.dicom"),
        ({"dicom": "anonymise"}, "privacy.dicom"),
    ],
)
def test_settings_without_effect_are_refused(tmp_path, privacy, message):
    with pytest.raises(InputError, match=message):
        write_domain(tmp_path / "toy", rows=toy_rows(2), privacy=privacy)


def test_presidio_is_asked_for_in_one_sentence(tmp_path, with_key, monkeypatch):
    text_scrubber._analyzer.cache_clear()
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    task = hospital_settings()["tasks"]["finding"] | {"prompt": "<image>\n{note}"}
    task["choices"] = ["none", "nodule"]
    entry = write_domain(tmp_path / "toy", tasks={"finding": task}, privacy={"text": "scrub"})
    with pytest.raises(MissingExtra, match=r"privacy.text: scrub needs 'presidio_analyzer': pip"):
        load_domain(entry)
