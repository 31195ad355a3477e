"""Privacy where rows are read one by one: notes of a check, streams, shards, saved datasets."""

import json
import stat
import subprocess
import sys

import numpy as np
import pytest
from domain_cases import write_dicom, write_settings, write_table
from privacy_cases import KnownOnly, hospital_settings, planted, write_hospital

from transferlab.core.records import SPLITS
from transferlab.domain.base import private_folder
from transferlab.domain.loader import load_domain
from transferlab.domain.privacy import burned_in_text, text_scrubber
from transferlab.domain.validation import domain_check
from transferlab.domain.validation.domain_check import check_domain, check_stream
from transferlab.domain.validation.sample_index import open_sample_index
from transferlab.errors import DataError, InputError


def words():
    """Every planted string, and the parts of names."""
    values = {value for number in range(12) for value in planted(number).values()}
    return values | {part for value in values for part in value.split("^")}


@pytest.fixture(autouse=True)
def without_ocr(monkeypatch):
    monkeypatch.setattr(burned_in_text, "require_reader", lambda: None)
    monkeypatch.setattr(burned_in_text, "count_characters", lambda frame: 0)


@pytest.fixture
def known_only(monkeypatch):
    monkeypatch.setattr(text_scrubber, "Scrubber", KnownOnly)


def noted(entry):
    """What a check writes to disk, and its report."""
    with open_sample_index() as sample_index:
        report = domain_check._check(
            sample_index, entry, data_root=None, cache_root=None, ruler=None
        )
        keys = set(sample_index.rows("SELECT key FROM media"))
        return "\n".join(sample_index.database.iterdump()), keys, report


def test_the_notes_of_a_check_hold_nothing_planted(hospital):
    entry = hospital(splits={"stratify": "exam"})  # a date that no element is called
    notes, keys, report = noted(entry)
    assert [word for word in words() if word in notes] == []
    assert "reports.csv row 2" in notes  # not simply empty
    assert len(keys) == 12
    # Under another key each time, so that paths cannot be tried.
    assert not keys & noted(entry)[1]
    data = load_domain(entry)
    assert report.samples == {side: len(data.splits[side]) for side in SPLITS}


def test_what_two_private_domains_share_is_told_by_rows(tmp_path, hospital):
    entries = hospital(), write_hospital(tmp_path / "other", name="other")
    found = check_stream(entries)
    assert "identical_medium" in {one.kind for one in found.across}
    told = json.dumps(found.to_record())
    assert [word for word in words() if word in told] == []


@pytest.fixture
def shards(tmp_path, with_key):
    """``shards(**changes)``: twelve patients in a tar that is called like one of them."""
    webdataset = pytest.importorskip("webdataset")
    folder = tmp_path / "d" / "shards"
    folder.mkdir(parents=True)
    with webdataset.TarWriter(str(folder / "Featherstonehaugh.tar")) as sink:
        for number in range(12):
            own = planted(number)
            pixels = np.random.default_rng(number).integers(0, 256, (16, 16), np.uint8)
            flag = {"BurnedInAnnotation": "YES" if number == 3 else "NO"}
            xray = write_dicom(tmp_path / "one.dcm", pixels, **own, **flag).read_bytes()
            row = {"patient": own["PatientID"], "finding": ["normal", "nodule"][number % 2]}
            key = own["PatientName"].replace("^", "_")
            sink.write({"__key__": key, "dcm": xray, "png": b"a picture", "json": row})

    def entry(**changes):
        media = {"xray": {"kind": "dicom", "path": "{dcm}"}}
        source = {"kind": "webdataset", "path": "shards", "media": media}
        settings = hospital_settings() | {"source": source, "group": "patient", "attributes": []}
        return write_settings(tmp_path / "d", **(settings | changes))

    return entry


def test_shards_of_a_private_domain(shards):
    entry = shards()
    data = load_domain(entry, on_bad_sample="quarantine")
    (bad,) = data.quarantined
    assert bad.where == "shard 1 of 1, sample 4"
    assert "BurnedInAnnotation is YES" in bad.reason
    notes, _, report = noted(entry)
    samples = [one for side in SPLITS for one in data.splits[side]]
    told = json.dumps([[s.id, s.group, s.prompt, s.media[0].alias] for s in samples])
    left = f"{told} {notes} {json.dumps(report.to_record())} {bad}"
    assert [word for word in words() if word in left] == []
    assert len(samples) == 11


@pytest.mark.parametrize("column", ["key", "dcm", "png"])
def test_paths_in_shards_cannot_be_shown(shards, column):
    with pytest.raises(InputError, match=rf"column '{column}'"):
        load_domain(shards(attributes=[column]))


def test_a_damaged_shard_is_named_by_its_number(shards, tmp_path):
    (shard,) = (tmp_path / "d" / "shards").iterdir()
    shard.write_bytes(shard.read_bytes()[:9000])
    with pytest.raises(DataError, match="shard 1 of 1 in the order of paths: is dam") as caught:
        check_domain(shards())
    assert "Featherstonehaugh" not in str(caught.value)


@pytest.fixture
def saved(tmp_path, with_key, known_only):
    """``saved(**privacy)``: twelve notes as datasets saves them, away from domain.yaml."""
    datasets = pytest.importorskip("datasets")
    rows = [
        {"name": f"Ottoline{number}", "note": f"Ottoline{number} is well", "cls": str(number % 2)}
        for number in range(12)
    ]
    datasets.Dataset.from_list(rows).save_to_disk(str(tmp_path / "data" / "saved"))
    task = {"kind": "classify", "prompt": "{note}?", "answer": "{cls}", "choices": ["0", "1"]}

    def entry(**privacy):
        return write_settings(
            tmp_path / "d", source={"kind": "huggingface", "path": "saved"}, group="name",
            attributes=[], data_root=str(tmp_path / "data"), privacy={"text": "scrub"} | privacy,
            tasks={"which": task | {"metrics": ["accuracy"]}},
        )  # fmt: skip

    return entry


def test_texts_of_a_saved_dataset_are_scrubbed_wherever_they_are_read(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERLAB_CACHE", str(tmp_path / "cache"))
    entry = saved(identifiers=["name"])
    notes, _, report = noted(entry)
    data = load_domain(entry)
    samples = [one for side in SPLITS for one in data.splits[side]]
    assert {one.prompt for one in samples} == {"[known] is well?"}
    assert "Ottoline" not in notes
    assert report.removed == data.removed == {"known": 12}
    held = [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in held] == [0o700]
    monkeypatch.setattr(
        private_folder, "_here", {}
    )  # as another process, which sweeps only the dead
    load_domain(entry)
    assert held[0].is_dir()


CHILD = """
import os, sys
from pathlib import Path
from transferlab.domain.base.private_folder import write_for_now

root = Path(sys.argv[1])
folder = write_for_now("rows", lambda to: (to / "a.jsonl").write_text("Ottoline"), root)
assert write_for_now("rows", None, root) == folder
assert (folder / "a.jsonl").read_text() == "Ottoline"
if sys.argv[2] == "killed":
    os._exit(9)
"""


def test_nothing_of_private_rows_is_left_behind(tmp_path):
    def process(how):
        subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), how], check=how == "ended")
        return list(tmp_path.iterdir())

    assert process("ended") == []
    assert len(process("killed")) == 2  # the folder and its lock
    assert process("ended") == []  # swept by the next one


def test_a_check_too_says_which_identifiers_do_not_exist(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERLAB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=r"privacy.identifiers: the table has no column 'nobody'"):
        check_domain(saved(identifiers=["nobody"]))


def test_the_key_may_not_lie_with_a_saved_dataset(saved, tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TRANSFERLAB_PRIVACY_KEY")
    file = tmp_path / "data" / "privacy.key"
    file.write_text("k" * 64)
    file.chmod(0o600)
    monkeypatch.setenv("TRANSFERLAB_PRIVACY_KEY_FILE", str(file))
    with pytest.raises(InputError, match="lies in the folder of domain"):
        load_domain(saved())


@pytest.mark.parametrize("dicom", [None, "deidentify"])
def test_a_table_of_dicom_files_is_scrubbed_of_what_the_files_state(
    tmp_path, with_key, known_only, dicom
):
    """Whatever names the files: what they state of people is known to the scrubber, and so is what
    a column called like an identifying element says."""
    folder, rows = tmp_path / "toy", []
    folder.mkdir()
    for number in range(12):
        own = planted(number)
        pixels = np.random.default_rng(number).integers(0, 4096, (16, 16), np.uint16)
        write_dicom(folder / f"{number}.dcm", pixels, **own)
        name = own["PatientName"].split("^")
        rows.append(
            {
                "file": f"{number}.dcm",
                "person": f"p{number}",
                "ReferringPhysicianName": "Quisling^Perpetua",
                "report": f"{name[1]} {name[0].upper()}, {own['PatientID']}: clear lungs. Quisling",
            }
        )
    write_table(folder / "metadata.csv", rows)
    task = {"kind": "describe", "prompt": "<xray>", "answer": "{report}", "metrics": ["token_f1"]}
    privacy = {"text": "scrub"} | ({"dicom": dicom} if dicom else {})
    media = {"xray": {"kind": "dicom", "path": "{file}"}}
    entry = write_settings(
        folder, source={"kind": "table", "media": media}, group="person",
        attributes=[], tasks={"report": task}, privacy=privacy,
    )  # fmt: skip
    data = load_domain(entry)
    answers = " ".join(one.answer for side in SPLITS for one in data.splits[side])
    assert "clear lungs" in answers
    assert [word for word in words() if word in answers] == []
    assert "FEATHERSTONE" not in answers
    assert "Quisling" not in answers
