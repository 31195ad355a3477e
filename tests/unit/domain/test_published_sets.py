"""The shipped definitions of public sets, on a few made rows in each set's published form."""

import pyarrow as pa
import pytest
from published_sets import NIH, SETS, nih, vqa_rad
from pyarrow import parquet

from transferlab.core.records import SPLITS
from transferlab.domain.catalog import find_domains
from transferlab.domain.loader import load_domain
from transferlab.domain.tables.parquet_images import unpack
from transferlab.domain.validation.domain_check import check_domain
from transferlab.errors import DataError, InputError


@pytest.mark.parametrize("name", SETS)
def test_a_set_in_its_published_form_becomes_samples(tmp_path, name):
    write, expected = SETS[name]
    write(tmp_path / name)
    data = load_domain(find_domains()[name], data_root=tmp_path)
    samples = [one for side in SPLITS for one in data.splits[side]]
    assert {task: sum(one.task == task for one in samples) for task in data.tasks} == expected
    assert all(one.media for one in samples)
    assert data.quarantined == ()


def test_every_definition_has_its_instructions_and_licence():
    entries = find_domains()
    for name in SETS:
        readme = (entries[name].folder / "README.md").read_text()
        assert "https://" in readme or "hf download" in readme
        assert entries[name].config.licence
        assert entries[name].config.data_root == name


def test_answers_are_what_the_sets_say(tmp_path):
    def samples(name):
        SETS[name][0](tmp_path / name)
        data = load_domain(find_domains()[name], data_root=tmp_path)
        return {one.task: one for side in SPLITS for one in data.splits[side]}

    assert samples("mimic-cxr")["findings"].answer.startswith(
        "The lungs are clear of consolidation"
    )
    assert samples("tqa")["question"].answer == "core"
    assert samples("ai2d")["question"].choices == ("egg", "larva", "pupa")
    vindr_found = samples("vindr-cxr")["finding"]
    assert vindr_found.choices == ("normal", "abnormal")


def test_the_later_table_of_nih_calls_a_column_by_another_name(tmp_path):
    later = NIH.replace("Patient Gender", "Patient Sex")
    nih(tmp_path / "nih-chestxray14", header=later)
    data = load_domain(find_domains()["nih-chestxray14"], data_root=tmp_path)
    seen = {one.attributes["Patient Gender"] for side in SPLITS for one in data.splits[side]}
    assert seen == {"M", "F"}


def test_vqa_rad_is_split_so_that_no_image_leaks(tmp_path):
    vqa_rad(tmp_path / "vqa-rad")
    entry = find_domains()["vqa-rad"]
    assert not {p.kind for p in check_domain(entry, data_root=tmp_path).errors} & {
        "identical_medium", "shared_group",
    }  # fmt: skip


def test_bytes_that_are_no_picture_and_a_folder_without_parquet(tmp_path):
    with pytest.raises(InputError, match=r"holds no \.parquet"):
        unpack(tmp_path, tmp_path / "out")
    parquet.write_table(
        pa.Table.from_pylist([{"image": {"bytes": b"x", "path": None}}]),
        tmp_path / "test-00000-of-00001.parquet",
    )
    with pytest.raises(DataError, match=r"parquet row 1: holds bytes that are no picture"):
        unpack(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out" / "test.jsonl").exists()
