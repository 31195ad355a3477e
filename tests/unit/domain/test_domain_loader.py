import random
from collections import defaultdict

import pytest
from domain_cases import (
    toy_rows,
    write_dicom,
    write_domain,
    write_film,
    write_settings,
    write_table,
)

from transferlab.core.records import SPLITS
from transferlab.domain.loader import load_domain
from transferlab.domain.rows.code_trust import trust
from transferlab.errors import DataError, InputError

import numpy as np  # isort: skip


def all_samples(data):
    return [sample for split in SPLITS for sample in data.splits[split]]


def tasks(**changes):
    """One task, changed."""
    task = {
        "kind": "classify",
        "prompt": "<image>\nWhich finding?",
        "answer": "{finding}",
        "metrics": ["accuracy"],
    }
    return {"finding": task | changes}


def test_a_sample_has_what_its_row_says(tmp_path):
    data = load_domain(write_domain(tmp_path / "d"))
    samples = all_samples(data)
    assert len(samples) == 20
    assert {s.prompt.split("\n")[1] for s in samples} == {"Note: cough", "Note: None"}
    assert {s.choices for s in samples} == {("nodule", "none")}
    assert {tuple(s.attributes) for s in samples} == {("sex",)}
    assert {ref.path.exists() for s in samples for ref in s.media} == {True}
    assert data.primary_metrics == {"finding": "accuracy"}
    assert data.quarantined == ()


def test_no_group_is_on_two_sides_whatever_the_seed(tmp_path):
    rows = toy_rows(30, per_patient=3)
    for seed in range(5):
        splits = {"train": 0.6, "validation": 0.2, "test": 0.2, "seed": seed}
        data = load_domain(write_domain(tmp_path / "d", rows=rows, splits=splits))
        sides = defaultdict(set)
        for name in SPLITS:
            for sample in data.splits[name]:
                sides[sample.group].add(name)
        assert len(sides) == 30
        assert {len(names) for names in sides.values()} == {1}
        groups = {name: len({s.group for s in data.splits[name]}) for name in SPLITS}
        assert groups == {"train": 18, "validation": 6, "test": 6}


def test_ids_and_splits_do_not_depend_on_row_order_or_place(tmp_path):
    rows = toy_rows()
    first = load_domain(write_domain(tmp_path / "a", rows=rows))
    entry = write_domain(tmp_path / "b", rows=rows)
    random.Random(0).shuffle(rows)
    write_table(tmp_path / "b" / "metadata.csv", rows)
    second = load_domain(entry)
    assert second.digest == first.digest
    for name in SPLITS:
        ids = [sample.id for sample in first.splits[name]]
        assert [sample.id for sample in second.splits[name]] == ids


def test_ids_are_unique_salted_and_say_nothing(tmp_path):
    rows = toy_rows() + toy_rows()[:1]  # one row twice
    samples = all_samples(load_domain(write_domain(tmp_path / "d", rows=rows)))
    assert len({sample.id for sample in samples}) == len(rows)
    assert not any("P1" in sample.id + sample.group for sample in samples)
    other = all_samples(load_domain(write_domain(tmp_path / "e", rows=rows, name="other")))
    assert not {s.group for s in samples} & {s.group for s in other}


BAD_ROWS = {
    "missing file": ({"file": "images/none.png"}, "medium 'image': the file is missing"),
    "outside": ({"file": "../secret.png"}, "medium 'image': it is not a path inside"),
    "absolute": ({"file": "/etc/hostname"}, "medium 'image': it is not a path inside"),
    "no group": ({"patient": " "}, "the group column 'patient' is empty"),
    "no answer": ({"finding": ""}, "task 'finding': the answer is empty"),
    "a slot in a note": ({"note": "<image>"}, "contains '<image>'"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_row_stops_or_is_quarantined(tmp_path, case):
    change, reason = BAD_ROWS[case]
    entry = write_domain(tmp_path / "d")
    rows = toy_rows()
    secret = "Sally"
    rows[4] |= {"sex": secret} | change
    write_table(tmp_path / "d" / "metadata.csv", rows)
    with pytest.raises(DataError) as caught:
        load_domain(entry)
    assert "metadata.csv row 6" in str(caught.value)
    assert reason in str(caught.value)
    assert "quarantine" in str(caught.value)
    data = load_domain(entry, on_bad_sample="quarantine")
    assert len(all_samples(data)) == len(rows) - 1
    (bad,) = data.quarantined
    assert bad.where == "metadata.csv row 6"
    assert reason in bad.reason
    assert not {secret, "none.png", "secret.png", "hostname"} & set(bad.reason.split())


def test_an_answer_outside_a_fixed_label_set_is_a_bad_row(tmp_path):
    entry = write_domain(tmp_path / "d", tasks=tasks(choices=["none", "mass"]))
    with pytest.raises(DataError, match=r"not one of the task's choices.*9 more problems"):
        load_domain(entry)


def test_a_bad_row_of_two_tasks_is_reported_once(tmp_path):
    both = tasks() | {"again": tasks(prompt="<image>\nAgain?")["finding"]}
    entry = write_domain(tmp_path / "d", tasks=both)
    (tmp_path / "d" / "images" / "0_0.png").write_bytes(b"broken")
    data = load_domain(entry, on_bad_sample="quarantine")
    assert [bad.where for bad in data.quarantined] == ["metadata.csv row 2"]


def test_a_dicom_and_a_video_are_checked_before_training(tmp_path):
    folder = tmp_path / "d"
    media = {
        "image": {"kind": "dicom", "path": "x.dcm"},
        "film": {"kind": "video", "path": "x.mkv"},
    }
    source = {"kind": "table", "media": media}
    entry = write_domain(folder, source=source, tasks=tasks(prompt="<image><film>\n?"))
    path = write_dicom(folder / "x.dcm", np.arange(256, dtype=np.uint16).reshape(16, 16))
    write_film(folder / "x.mkv", frames=0, rate=10)
    with pytest.raises(DataError, match="medium 'film': the video has no frames"):
        load_domain(entry)
    write_film(folder / "x.mkv", frames=5, rate=10)
    assert len(all_samples(load_domain(entry))) == 20
    write_dicom(path, np.zeros((16, 16), np.uint16), PixelData=b"\0" * 100)
    with pytest.raises(DataError, match="medium 'image': the DICOM file is truncated: 100 of 512"):
        load_domain(entry)


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [("x", "1", "not a number"), ("2", "1", "not after its start"), ("9", "10", "0.5 s long")],
)
def test_a_segment_that_makes_no_sense_is_a_bad_row(tmp_path, start, end, says):
    media = {"film": {"kind": "video", "path": "x.mkv", "start": "from", "end": "to"}}
    rows = [row | {"from": "0", "to": "0.5"} for row in toy_rows()]
    rows[0] |= {"from": start, "to": end}
    entry = write_domain(
        tmp_path / "d", rows=rows, source={"kind": "table", "media": media},
        tasks=tasks(prompt="<film>?"),
    )  # fmt: skip
    write_film(tmp_path / "d" / "x.mkv", frames=5, rate=10)
    with pytest.raises(DataError, match=says):
        load_domain(entry)


def test_where_asks_some_rows_only(tmp_path):
    built = tasks(where={"sex": ["F"], "note": ["*"]}, choices=["none", "nodule"])
    rows = [row | {"note": "" if row["patient"] == "P0" else "x"} for row in toy_rows(20)]
    samples = all_samples(load_domain(write_domain(tmp_path / "d", rows=rows, tasks=built)))
    assert len(samples) == 2 * (20 // 2 - 1)
    assert {sample.attributes["sex"] for sample in samples} == {"F"}


def test_choices_may_come_from_a_column(tmp_path):
    rows = [row | {"options": '["none", "nodule", "mass"]'} for row in toy_rows()]
    rows[0]["options"] = '["none", "nodule"]'
    rows[1]["options"] = "none"
    entry = write_domain(tmp_path / "d", rows=rows, tasks=tasks(choices="options"))
    data = load_domain(entry, on_bad_sample="quarantine")
    assert {len(sample.choices) for sample in all_samples(data)} == {2, 3}
    assert "not a JSON list" in data.quarantined[0].reason


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"group": "patents"}, "domain.yaml: group: .*Did you mean 'patient'"),
        ({"attributes": ["agee"]}, "attributes: the table has no column 'agee'"),
        ({"tasks": tasks(prompt="{nothing}")}, "tasks.finding.prompt.*'nothing'"),
        ({"tasks": tasks(prompt="<imag>?")}, "'<imag>' is not a medium.*Did you mean 'image'"),
        ({"tasks": tasks(where={"sx": ["F"]})}, "tasks.finding.where.*Did you mean 'sex'"),
        ({"tasks": tasks(answer="{sex.__class__}")}, "may only name columns"),
    ],
)
def test_what_domain_yaml_names_must_exist(tmp_path, changes, says):
    with pytest.raises(InputError, match=says):
        load_domain(write_domain(tmp_path / "d", **changes))


@pytest.mark.parametrize(
    ("patients", "changes", "says"),
    [
        (2, {}, "toy.*2 group"),
        (10, {"tasks": tasks(where={"sex": ["X"]})}, "fits none of 20 rows"),
        (10, {"tasks": tasks(where={"finding": ["none"]})}, "only one answer"),
        (
            10,
            {"tasks": tasks() | {"rare": tasks(where={"patient": ["P3"]})["finding"]}},
            "'rare' has",
        ),
    ],
)
def test_nothing_is_trained_on_an_empty_task_or_split(tmp_path, patients, changes, says):
    with pytest.raises(DataError, match=says):
        load_domain(write_domain(tmp_path / "d", rows=toy_rows(patients), **changes))


def test_all_rows_bad_is_an_error_even_in_quarantine(tmp_path):
    entry = write_domain(tmp_path / "d")
    for path in (tmp_path / "d" / "images").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="not one row can be used"):
        load_domain(entry, on_bad_sample="quarantine")


def test_an_empty_domain_is_an_error(tmp_path):
    entry = write_domain(tmp_path / "d")
    (tmp_path / "d" / "metadata.csv").write_text("file,patient,sex,note,finding\n")
    with pytest.raises(DataError, match="holds no rows"):
        load_domain(entry)


def test_domain_py_changes_rows_and_runs_only_when_loaded(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERLAB_HOME", str(tmp_path / "home"))
    entry = write_domain(tmp_path / "d")
    code = tmp_path / "d" / "domain.py"
    code.write_text(
        "from pathlib import Path\n"
        "(Path(__file__).parent / 'ran').touch()\n"
        "def rows(rows, root):\n"
        "    for row in rows:\n"
        "        yield row | {'note': root.name}\n"
    )
    assert not (tmp_path / "d" / "ran").exists()
    trust(entry)
    samples = all_samples(load_domain(entry))
    assert (tmp_path / "d" / "ran").exists()
    assert {sample.prompt.split("\n")[1] for sample in samples} == {"Note: d"}


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "def rows(rows, root): return [row['nope'] for row in rows]",
            "line 1: rows.. failed with K",
        ),
        ("def other(): pass", "defines no function rows"),
        ("def rows(rows, root: return", "cannot be imported"),
        ("def rows(rows, root): return []", "returned no rows"),
        (
            "def rows(rows, root): return [{'patient': 3}]",
            "column 'patient' a value that is not text",
        ),
    ],
)
def test_a_broken_domain_py_is_one_sentence(tmp_path, monkeypatch, code, says):
    monkeypatch.setenv("TRANSFERLAB_HOME", str(tmp_path / "home"))
    entry = write_domain(tmp_path / "d")
    (tmp_path / "d" / "domain.py").write_text(code + "\n")
    trust(entry)
    with pytest.raises(DataError, match=says) as caught:
        load_domain(entry)
    assert str(tmp_path / "d" / "domain.py") in str(caught.value)


def test_data_packs_are_found_by_argument_variable_or_default(tmp_path, monkeypatch):
    write_domain(tmp_path / "packs" / "toys")
    entry = write_settings(tmp_path / "yaml", data_root="toys")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.delenv("TRANSFERLAB_DATA", raising=False)
    with pytest.raises(DataError, match=r"data_root=FOLDER or TRANSFERLAB_DATA=FOLDER"):
        load_domain(entry)
    by_argument = load_domain(entry, data_root=tmp_path / "packs")
    monkeypatch.setenv("TRANSFERLAB_DATA", str(tmp_path / "packs"))
    assert load_domain(entry).digest == by_argument.digest
    monkeypatch.setenv("TRANSFERLAB_DATA", str(tmp_path / "work"))
    with pytest.raises(DataError, match="put the folder 'toys' of the data packs there"):
        load_domain(entry)
