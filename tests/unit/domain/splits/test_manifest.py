"""The split manifest: written, published, reused by another team, refused where it does not fit."""

import json

import pytest
from domain_cases import toy_rows, write_domain

from transferlab.core.records import SPLITS
from transferlab.domain.loader import load_domain
from transferlab.domain.splits.manifest import split_manifest, write_manifest
from transferlab.errors import DataError, InputError

REUSED = {"manifest": "splits.json"}


def groups_by_side(data):
    return {side: {one.group for one in data.splits[side]} for side in SPLITS}


@pytest.fixture
def published(tmp_path):
    """A domain, and its manifest."""
    data = load_domain(write_domain(tmp_path / "a", splits={"seed": 4}))
    write_manifest(tmp_path / "a" / "splits.json", split_manifest(data))
    return data, tmp_path / "a" / "splits.json"


def test_another_team_gets_the_same_split(tmp_path, published):
    data, path = published
    entry = write_domain(tmp_path / "b", splits=REUSED)
    (tmp_path / "b" / "splits.json").write_bytes(path.read_bytes())
    again = load_domain(entry)
    assert groups_by_side(again) == groups_by_side(data)
    assert groups_by_side(load_domain(write_domain(tmp_path / "c"))) != groups_by_side(data)


def test_it_names_no_patient(published):
    data, path = published
    manifest = json.loads(path.read_text())
    assert manifest["data_digest"] == data.digest
    assert manifest["samples"] == {side: len(data.splits[side]) for side in SPLITS}
    assert len(manifest["groups"]) == 10
    assert not {f"P{n}" for n in range(10)} & set(manifest["groups"])
    assert list(path.parent.glob("*.partial")) == []


def move_one(manifest):
    first, side = next(iter(manifest["groups"].items()))
    manifest["groups"][first] = "test" if side == "train" else "train"


CASES = {
    "moved": (move_one, "was changed"),
    "other domain": (lambda m: m.update(domain="other"), "of another domain"),
    "other file": (lambda m: m.pop("format"), "is not a split manifest"),
    "newer": (lambda m: m.update(format_version=2), "format version"),
    "no groups": (lambda m: m.update(groups=[]), "must each name train"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path, published, case):
    change, says = CASES[case]
    _, path = published
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=says):
        load_domain(write_domain(tmp_path / "a", splits=REUSED))


def test_a_group_that_the_manifest_does_not_know(tmp_path, published):
    entry = write_domain(tmp_path / "a", rows=toy_rows(11), splits=REUSED)
    with pytest.raises(DataError, match=r"1 group\(s\) are not in the split manifest.*row 22"):
        load_domain(entry)


def test_no_manifest_and_no_json(tmp_path):
    entry = write_domain(tmp_path / "d", splits=REUSED)
    with pytest.raises(DataError, match="there is no such split manifest"):
        load_domain(entry)
    (tmp_path / "d" / "splits.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        load_domain(entry)


@pytest.mark.parametrize(
    "splits",
    [
        {"manifest": "x", "column": "y"},
        {"manifest": "x", "seed": 3},
        {"column": "x", "train": 0.5, "validation": 0.2, "test": 0.3},
        {"values": {"train": ["a"]}},
    ],
)
def test_settings_that_would_have_no_effect_are_refused(tmp_path, splits):
    with pytest.raises(InputError, match="splits"):
        write_domain(tmp_path / "d", splits=splits)


def test_a_column_that_puts_a_group_on_two_sides_is_refused(tmp_path):
    rows = [row | {"fold": "train" if n % 2 else "test"} for n, row in enumerate(toy_rows())]
    entry = write_domain(tmp_path / "d", rows=rows, splits={"column": "fold"})
    with pytest.raises(DataError, match=r"10 group\(s\) are in more than one split.*row 2 and"):
        load_domain(entry)


def test_a_column_may_have_words_of_its_own(tmp_path):
    rows = [row | {"fold": "AB"[int(row["patient"][1:]) % 2]} for row in toy_rows()]
    splits = {"column": "fold", "values": {"train": ["a"], "test": ["b"]}}
    data = load_domain(write_domain(tmp_path / "d", rows=rows, splits=splits))
    assert {side: len(data.splits[side]) for side in SPLITS} == {
        "train": 10,
        "validation": 0,
        "test": 10,
    }
