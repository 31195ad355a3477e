"""A path stays a path, a bare name means a shipped pipeline, and nothing is guessed."""

import pytest

from transferlab.config.gallery import find_pipeline, shipped_pipelines
from transferlab.errors import InputError, UnknownName


def test_the_shipped_pipelines_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert {"radiology", "radiology-real", "smoke"} <= set(shipped_pipelines())
    assert find_pipeline("radiology") == shipped_pipelines()["radiology"]


def test_a_file_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "radiology").write_text("name: mine")
    assert find_pipeline("radiology").resolve() == tmp_path / "radiology"


def test_a_missing_path_is_not_replaced_by_a_shipped_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        find_pipeline("pipelines/radiology.yaml")
    assert str(caught.value) == (
        "pipelines/radiology.yaml: there is no such file; a pipeline of this name comes with "
        "transferlab: `transferlab run radiology`"
    )
    with pytest.raises(InputError, match=r"mine\.yaml: there is no such file$"):
        find_pipeline("mine.yaml")


def test_an_unknown_name_is_met_with_the_nearest():
    with pytest.raises(UnknownName, match=r"no pipeline 'radiologi'\. Did you mean 'radiology'\?"):
        find_pipeline("radiologi")
