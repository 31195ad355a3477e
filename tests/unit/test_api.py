"""The Python interface does what the command line does, typed, and costs nothing to import."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer import echo

import transferlab
from transferlab.core.events import ignore
from transferlab.core.integrity import seal
from transferlab.errors import InputError, UnknownName

sys.path.insert(0, str(Path(__file__).parent / "domain"))

from domain_cases import toy_rows, write_domain

RESULT = {
    "schema_version": 1,
    "scores": {
        "rows": [
            {"after": "pretrained", "values": {"door": 0.25, "kite": 0.5}},
            {"after": "door", "values": {"door": 0.75, "kite": 0.5}},
            {"after": "kite", "values": {"door": 0.5, "kite": 1.0}},
        ]
    },
    "summary": {"acc": {"value": 0.75}, "fwt_over_scratch": {"value": None}},
    "arms": {"single": {"door": {"value": 0.8}}},
}


def test_importing_it_brings_no_torch_and_offers_the_names():
    code = (
        "import sys, transferlab; assert 'torch' not in sys.modules; "
        "assert 'pydantic' not in sys.modules; "
        "[getattr(transferlab, name) for name in transferlab.__all__]; "
        "assert 'torch' not in sys.modules; print(sorted(transferlab.__all__))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "register_domain" in done.stdout
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        transferlab.nothing  # noqa: B018


def test_the_package_says_that_it_is_typed():
    assert (Path(transferlab.__file__).parent / "py.typed").is_file()


def test_a_result_is_read_with_its_scores(tmp_path):
    (tmp_path / "result.json").write_text(json.dumps(seal(RESULT)))
    found = transferlab.load_result(tmp_path)
    assert (found.score("door"), found.score("door", after="pretrained")) == (0.5, 0.25)
    assert found.summary == {"acc": 0.75, "fwt_over_scratch": None}
    assert found.arms == {"single": {"door": 0.8}}
    assert found.folder == tmp_path
    with pytest.raises(InputError, match=r"holds no result\.json"):
        transferlab.load_result(tmp_path / "elsewhere")
    (tmp_path / "result.json").write_text(json.dumps(seal(RESULT | {"schema_version": 99})))
    with pytest.raises(InputError, match="schema_version 99"):
        transferlab.load_result(tmp_path)


def test_a_domain_is_loaded_by_folder_and_by_name(tmp_path):
    write_domain(tmp_path / "toys", rows=toy_rows(12))
    by_folder = transferlab.load_domain(tmp_path / "toys")
    by_name = transferlab.load_domain(by_folder.name, domains=[tmp_path])
    assert by_name.digest == by_folder.digest
    assert sum(map(len, by_name.splits.values())) > 0
    with pytest.raises(UnknownName, match="there is no domain 'toyz'"):
        transferlab.load_domain("toyz", domains=[tmp_path])


def test_a_domain_is_registered_and_checked(tmp_path):
    entry = write_domain(tmp_path / "data", rows=toy_rows(20))
    folder = tmp_path / "data"
    (folder / "domain.yaml").unlink()
    found = transferlab.register_domain(
        folder, licence="CC0-1.0", name="my-toys", to=tmp_path / "domains"
    )
    assert found.entry.name == "my-toys"
    assert found.report.rows == 40
    assert entry.name != "my-toys"
    assert transferlab.load_domain("my-toys", domains=[tmp_path / "domains"]).licence == "CC0-1.0"


def test_a_pipeline_runs_by_path_name_or_config(tmp_path, monkeypatch):
    from transferlab.pipeline import run as module
    from transferlab.pipeline.validation import load_pipeline

    asked = []

    def record(config, out, *, listener, domains):
        asked.append((config.name, config.seed, out, listener, list(domains)))
        return RESULT

    monkeypatch.setattr(module, "run", record)
    out = tmp_path / "new" / "out"
    found = transferlab.run("smoke", out=out, overrides=["seed=3"])
    assert found.score("kite") == 1.0
    path = Path(transferlab.__file__).parents[1] / "pipelines" / "smoke.yaml"
    transferlab.run(load_pipeline(path), out=out, listener=echo)
    assert asked == [("smoke", 3, out, ignore, []), ("smoke", 0, out, echo, [])]
    with pytest.raises(ValueError, match="overrides are for files"):
        transferlab.run(load_pipeline(path), out=out, overrides=["seed=3"])
    with pytest.raises(InputError, match=r"learning_rat: unknown key"):
        transferlab.run("smoke", out=out, overrides=["train.learning_rat=3"])
