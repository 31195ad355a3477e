"""The file that says that a run has ended."""

import json

import pytest

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.records import SCORING_VERSION
from transferlab.errors import InputError
from transferlab.pipeline.exports.of_result import export_result
from transferlab.pipeline.result import read_result, retire_result, write_result


def test_an_earlier_result_is_put_aside(tmp_path):
    retire_result(tmp_path)  # nothing there
    write_result(tmp_path, {"value": 1})
    retire_result(tmp_path)
    assert not (tmp_path / "result.json").exists()
    previous = json.loads((tmp_path / "result.previous.json").read_text("utf-8"))
    assert previous == {"value": 1, "digest": previous["digest"]}


@pytest.mark.parametrize(
    "damage", [lambda b: b.replace(b"0.50", b"0.75"), lambda b: b[:-9], lambda b: b""]
)
def test_a_damaged_result_is_not_believed(tmp_path, damage):
    path = write_result(tmp_path, {"schema_version": 1, "score": "0.50"})
    assert read_result(tmp_path)["score"] == "0.50"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"result\.json: .*; run the pipeline again with this"):
        read_result(tmp_path)


def test_scores_of_an_earlier_version_are_marked(tmp_path):
    """They were made by other rules, and are not comparable."""
    write_result(tmp_path, {"schema_version": 1})
    assert read_result(tmp_path)["scoring"] == {"version": 1, "likelihood": "sum"}
    now = {"version": SCORING_VERSION, "likelihood": "auto"}
    write_result(tmp_path, {"schema_version": 1, "scoring": now})
    assert read_result(tmp_path)["scoring"] == now
    assert SCORING_VERSION > 1


@pytest.mark.parametrize("version", [1, 2])
def test_a_result_of_the_version_before_is_read(tmp_path, version):
    write_result(tmp_path, {"schema_version": version, "seed": 7})
    assert read_result(tmp_path)["seed"] == 7


def test_a_result_cannot_say_that_a_models_code_is_trusted(tmp_path):
    backbone = {"model": "somebody/model", "trust_remote_code": True}
    pipeline = {"name": "p", "stream": ["a"], "strategy": ["naive"], "backbone": backbone}
    config = PipelineConfig(**pipeline).model_dump(mode="json")
    write_result(tmp_path, {"schema_version": 2, "pipeline": config, "arms": {}})
    with pytest.raises(InputError, match=r"read that code, then give --trust-remote-code"):
        export_result(tmp_path, None)
    with pytest.raises(InputError, match="no domain 'a'"):  # it goes on
        export_result(tmp_path, None, trust_remote_code=True)


@pytest.mark.parametrize("key", ["strategy", "export", "similarity"])
def test_nor_that_code_which_its_pipeline_names_may_be_imported(
    tmp_path, tmp_path_factory, monkeypatch, key
):
    modules = tmp_path_factory.mktemp("modules")
    (modules / "strangers_code.py").write_text("raise SystemError('it ran')\n", "utf-8")
    monkeypatch.syspath_prepend(modules)
    config = PipelineConfig(name="p", stream=["a"], strategy=["naive"]).model_dump(mode="json")
    name = "strangers_code:Mine"
    config[key] = {
        "strategy": [{**config["strategy"][0], "name": name}],
        "export": [name],
        "similarity": config["similarity"] | {"measures": [name]},
    }[key]
    write_result(tmp_path, {"schema_version": 1, "pipeline": config})
    with pytest.raises(InputError, match=f"names the Python code '{name}'"):
        export_result(tmp_path, None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "holds no result.json"),
        ("{", "is not JSON"),
        ("{}", "schema_version None, not 2"),
        ("[]", "schema_version None, not 2"),
        ('{"schema_version": 3}', "schema_version 3, not 2"),
    ],
)
def test_what_is_no_result_is_not_exported(tmp_path, text, sentence):
    if text is not None:
        (tmp_path / "result.json").write_text(text, "utf-8")
    with pytest.raises(InputError, match=sentence):
        export_result(tmp_path, None)
