"""Domains against each other: negative controls, what is left out, and the command."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from transferlab.cli import main
from transferlab.core.records import DomainData, Features, Sample
from transferlab.errors import DataError, InputError, UnknownName
from transferlab.pipeline.similarity import matrix
from transferlab.pipeline.similarity.matrix import MatrixSettings, measure_matrix

PLACES = {"cats": 0.0, "other-cats": 0.0, "dogs": 0.7, "ships": 3.0}
"""Where a domain's features lie; those of two are drawn from the same place."""


def data_of(name):
    samples = tuple(
        Sample(
            id=f"{name}{at}", domain=name, task="t", kind="describe", media=(), answer="yes",
            prompt="a question", group=f"{name} {at // 2}",
        )
        for at in range(80)
    )  # fmt: skip
    return DomainData(
        name=name, version=3, title=name, licence="CC0-1.0", primary_metrics={"t": "token_f1"},
        splits={"train": samples, "validation": (), "test": samples[:4]}, digest=f"digest {name}",
        quarantined=("row",) if name == "dogs" else (),
    )  # fmt: skip


class Backbone:
    asked: list

    def features(self, samples, *, batch_samples):
        self.asked.append((samples[0].domain, len(samples)))
        seed = sum(map(ord, samples[0].domain))
        place = PLACES[samples[0].domain]
        rows = np.random.default_rng(seed).normal(place, 1, (len(samples), 6)).astype(np.float32)
        return Features(image=rows * 0, text=rows, joint=rows)


@pytest.fixture
def asked(monkeypatch):
    """The domains whose features were read, with how many samples; no model is loaded."""
    backbone = Backbone()
    backbone.asked = []

    def load(entry, **how):
        if entry.name == "gone":
            raise DataError("gone: its data are not there")
        return data_of(entry.name)

    monkeypatch.setattr(matrix, "load_domain", load)
    monkeypatch.setattr(matrix, "load_backbone", lambda *given, **how: backbone)
    return backbone.asked


def measured(*names, **changes):
    leave_out = changes.pop("leave_out", False)
    given = {"model": "m", "max_samples": 60, "permutations": 39, "measures": ["mmd"], **changes}
    entries = [SimpleNamespace(name=name) for name in names]
    return measure_matrix(entries, MatrixSettings(**given), leave_out=leave_out)


def joint(found, one, other):
    return next(one for one in found.of_pair(one, other) if one.features == "joint")


def test_what_lies_in_the_same_place_is_nearest_and_shows_no_difference(asked):
    found = measured("ships", "cats", "other-cats", "dogs")
    same, near, far = (joint(found, "cats", name) for name in ("other-cats", "dogs", "ships"))
    assert same.value < near.value < far.value
    assert same.p_value > 0.05
    assert near.p_value == far.p_value == 1 / 40
    assert abs(same.baseline_mean) < near.value
    assert len(found.pairs) == 6
    assert joint(found, "other-cats", "cats") == same


def test_each_domain_is_read_once_with_at_most_so_many_samples(asked):
    found = measured("cats", "dogs", "ships", max_samples=50)
    assert asked == [("cats", 50), ("dogs", 50), ("ships", 50)]
    assert [one.samples for one in found.domains] == [50, 50, 50]


def test_a_domain_without_data_stops_it_or_is_named(asked):
    with pytest.raises(DataError, match="its data are not there"):
        measured("cats", "gone", "dogs")
    found = measured("cats", "gone", "dogs", leave_out=True)
    assert list(found.pairs) == [("cats", "dogs")]
    assert found.left_out == {"gone": "gone: its data are not there"}
    with pytest.raises(InputError, match=r"1 can be compared \(gone: gone: its data"):
        measured("cats", "gone", leave_out=True)


def test_mistakes_are_found_before_anything_is_read(asked):
    with pytest.raises(InputError, match="named twice"):
        measured("cats", "cats")
    with pytest.raises(UnknownName, match="mdd"):
        measured("cats", "dogs", measures=["mdd"])
    assert asked == []


def test_the_record_is_plain_and_holds_no_sample(asked):
    found = measured("cats", "dogs")
    record = json.loads(json.dumps(found.to_record()))
    (pair,) = record["pairs"]
    assert (pair["first"], pair["second"]) == ("cats", "dogs")
    assert pair["measures"][0]["permutations"] == 39
    assert record["domains"][1] == {
        "name": "dogs", "version": 3, "digest": "digest dogs", "samples": 60, "quarantined": 1,
    }  # fmt: skip
    assert "a question" not in json.dumps(record)
    assert "cats1" not in json.dumps(record)


def test_labels_are_measured_per_domain_and_in_no_pair(asked, folder, capsys, monkeypatch):
    def labelled(entry, **how):
        data = data_of(entry.name)
        train = [
            dataclasses.replace(one, kind="classify", answer="ab"[at // 2 % 2], choices=("a", "b"))
            for at, one in enumerate(data.splits["train"])
        ]
        return dataclasses.replace(data, splits={**data.splits, "train": tuple(train)})

    code, out, _ = call(capsys, folder, "cats", "dogs")
    assert code == 0
    assert "target_" not in out  # free text is no label
    monkeypatch.setattr(matrix, "load_domain", labelled)
    found = measured("cats", "dogs", measures=None, max_samples=80)
    assert not any(one.name.startswith("target_") for one in found.of_pair("cats", "dogs"))
    (cats, dogs) = found.to_record()["labels"]
    assert (cats["domain"], dogs["domain"]) == ("cats", "dogs")
    told = {(one["name"], one["features"]): one for one in cats["measures"]}
    assert set(told) == {
        (name, kind) for name in ("target_h_score", "target_logme") for kind in ("text", "joint")
    }
    assert told["target_logme", "joint"]["target_samples"] == 40  # groups are of two samples
    code, out, _ = call(capsys, folder, "cats", "dogs", "ships", "--features", "joint")
    assert code == 0
    lines = [one.split() for one in out.splitlines() if "target_logme (joint)" in one]
    assert [one[0] for one in lines] == ["cats", "dogs", "ships"]
    assert {one[-1] for one in lines} == {"40"}
    assert "no distance, and higher is better" in " ".join(out.split())


@pytest.fixture
def folder(tmp_path):
    """Domains that can be found by name; their data are ``data_of``'s."""
    for name in (*PLACES, "gone"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "domain.yaml").write_text(
            f"name: {name}\nversion: 3\ntitle: T\nfield: animals\nlicence: CC0-1.0\n"
            "source: {kind: table, media: {image: {kind: image, path: '{f}'}}}\ngroup: animal\n"
            'tasks:\n  t:\n    kind: describe\n    prompt: "<image>\\nWhat?"\n'
            "    answer: '{breed}'\n    metrics: [token_f1]\n"
        )
    return tmp_path


def call(capsys, folder, *given):
    code = main(["similarity", *given, "--domains", str(folder), "--permutations", "39"])
    return code, *capsys.readouterr()


def test_the_command_shows_a_pair_and_a_matrix(asked, folder, capsys):
    code, out, _ = call(capsys, folder, "cats", "dogs", "--measure", "mmd")
    assert code == 0
    line = next(one for one in out.splitlines() if "mmd (joint)" in one)
    assert line.split()[2:] == [line.split()[2], line.split()[3], "0.025", "80,", "80"]
    assert "mmd (text)" in out
    assert "dogs: version 3, 80 samples, 1 row(s) could not be used" in out
    code, out, _ = call(capsys, folder, "cats", "other-cats", "ships", "--measure", "mmd")
    assert code == 0
    assert "mmd (text)" not in out
    row = next(one for one in out.splitlines() if one.strip().startswith("cats ")).split()
    assert row[1].endswith("=")  # no difference is shown
    assert not row[3].endswith("=")


def test_json_is_all_that_stands_on_standard_output(asked, folder, capsys):
    code, out, err = call(capsys, folder, "cats", "dogs", "--json", "--measure", "mmd")
    assert code == 0
    assert json.loads(out)["backbone"] == "transferlab/tiny"
    assert "similarity: cats and dogs" in err


def test_all_names_what_it_leaves_out(asked, folder, capsys, monkeypatch):
    monkeypatch.setattr(
        "transferlab.domain.catalog._domain_folders", lambda extra: sorted(folder.iterdir())
    )
    code, out, err = call(capsys, folder, "--all", "--measure", "mmd", "--json")
    assert code == 0
    assert {one["name"] for one in json.loads(out)["domains"]} == set(PLACES)
    assert "gone is left out: gone: its data are not there" in err


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "name two domains or more, or give --all"),
        (["cats", "--all"], "and not both"),
        (["cats"], "1 can be compared"),
        (["cats", "cts"], "Did you mean 'cats'"),
        (["cats", "dogs", "--features", "sound"], "--features sound: there is no such kind"),
    ],
)
def test_what_is_asked_for_wrongly(asked, folder, capsys, given, sentence):
    code, _, err = call(capsys, folder, *given)
    assert code == 2
    assert sentence in err
