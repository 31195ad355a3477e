"""A path stays a path, a bare name means a shipped pipeline, and nothing is guessed."""

import re
from pathlib import Path

import pytest

from transferlab.config.gallery import (
    Header,
    copy_shipped,
    find_pipeline,
    load_shipped,
    read_header,
    shipped_pipelines,
)
from transferlab.errors import EnvironmentProblem, InputError, UnknownName

ROOT = Path(__file__).parents[3]
NUMBER = re.compile(r"\d+\.?\d*")


def header_of(name) -> Header:
    return read_header(shipped_pipelines()[name].read_text("utf-8"))


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


def test_a_header_has_a_title_and_named_lines_that_go_on():
    header = read_header(
        "# What it is:\n# in two lines.\n#\n# answers: Why?\n#   And how?\n# memory: 2 GiB\n"
        "name: x\n# time: no header any more\n"
    )
    title = "What it is: in two lines."
    assert header == Header(title=title, answers="Why? And how?", memory="2 GiB")
    assert read_header("name: x\n") == Header()


def test_a_line_that_belongs_to_nothing_is_an_error():
    with pytest.raises(ValueError, match="'tme: 2 minutes' belongs to nothing"):
        read_header("# Title\n# memory: 2 GiB\n# tme: 2 minutes\n")


@pytest.mark.parametrize("name", shipped_pipelines())
def test_every_shipped_pipeline_says_what_it_answers(name):
    header = header_of(name)
    assert header.title.endswith(".")
    assert "?" in header.answers
    assert load_shipped(name).name == name


@pytest.mark.parametrize("name", shipped_pipelines())
def test_what_a_header_says_was_measured_is_in_the_documents(name):
    header = header_of(name)
    (row,) = [
        line
        for line in (ROOT / "docs" / "pipelines.md").read_text("utf-8").splitlines()
        if line.startswith(f"| `{name}` |")
    ]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:4] == [header.answers, header.time or "-", header.memory or "-"]
    if header.gave:
        page = re.search(r"\((docs/[a-z-]+\.md)\)$", header.gave)
        assert page, "names the page that shows it"
        shown = (ROOT / page[1]).read_text("utf-8")
        figures = NUMBER.findall(header.gave.removesuffix(page[0]))
        assert [one for one in figures if one not in shown] == []


def test_a_copy_is_the_file_and_is_found_as_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert copy_shipped("smoke") == Path("smoke.yaml")
    assert find_pipeline("smoke.yaml").read_bytes() == shipped_pipelines()["smoke"].read_bytes()
    (tmp_path / "mine").mkdir()
    assert copy_shipped("smoke", tmp_path / "mine") == tmp_path / "mine" / "smoke.yaml"
    assert copy_shipped("smoke", tmp_path / "new" / "x.yaml").is_file()


def test_a_copy_never_goes_over_a_file(tmp_path):
    mine = tmp_path / "smoke.yaml"
    mine.write_text("name: mine\n")
    for target in (mine, tmp_path):
        with pytest.raises(InputError, match=r"smoke\.yaml: is there already"):
            copy_shipped("smoke", target)
    assert mine.read_text() == "name: mine\n"


def test_a_copy_of_what_is_not_shipped_or_cannot_be_written(tmp_path):
    with pytest.raises(UnknownName, match="Did you mean 'smoke'"):
        copy_shipped("smok", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        copy_shipped("smoke", tmp_path / "file" / "smoke.yaml")
