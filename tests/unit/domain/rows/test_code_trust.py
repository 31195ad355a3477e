"""Python beside data runs only after the user has said so, for the code as it is."""

import py_compile
import shutil
from pathlib import Path

import pytest
from domain_cases import write_domain, write_settings

from transferlab.cli.domains.downloads import fetch_all
from transferlab.config.pipeline import PipelineConfig
from transferlab.domain.catalog import read_entry
from transferlab.domain.handle import open_domain
from transferlab.domain.loader import load_domain
from transferlab.domain.rows.code_trust import trust, trusted_folder, withdraw_trust
from transferlab.domain.validation.domain_check import check_domain
from transferlab.errors import DataError, InputError
from transferlab.pipeline.validation import check

CODE = """from pathlib import Path
(Path(__file__).parent / "ran").touch()
def rows(rows, root):
    yield from rows
"""


ARCHIVE = {
    "url": "https://example.org/a.zip",
    "sha256": "0" * 64,
    "bytes": 1,
    "unpacked_bytes": 1,
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def with_code(folder: Path, **changes):
    write_domain(folder)
    (folder / "domain.py").write_text(CODE)
    return write_settings(folder, **changes)


def test_code_beside_data_runs_after_a_word_that_holds_for_it_alone(tmp_path):
    entry = with_code(tmp_path / "d")
    with pytest.raises(DataError, match=r"domain\.py: is Python code beside data.*domains trust"):
        load_domain(entry)
    assert not (tmp_path / "d" / "ran").exists()
    trust(entry)
    assert load_domain(entry).splits["train"]
    assert (tmp_path / "d" / "ran").exists()
    (tmp_path / "d" / "domain.py").write_text(CODE + "# changed\n")
    with pytest.raises(DataError, match="domains trust"):
        load_domain(entry)


def test_the_word_is_kept_outside_the_data(tmp_path, home):
    trust(with_code(tmp_path / "d"))
    assert [one.parent for one in trusted_folder().iterdir()] == [home / "trusted"]
    with pytest.raises(InputError, match=r"has no domain\.py"):
        trust(write_domain(tmp_path / "e"))


def test_a_compiled_file_beside_trusted_code_does_not_run(tmp_path):
    entry = with_code(tmp_path / "d")
    trust(entry)
    file = tmp_path / "d" / "domain.py"
    file.write_text(CODE.replace("ran", "bad"))
    py_compile.compile(str(file), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    file.write_text(CODE)
    load_domain(entry)
    assert (tmp_path / "d" / "ran").exists()
    assert not (tmp_path / "d" / "bad").exists()


def test_the_users_own_folder_needs_no_word_unless_data_came_there(tmp_path, home):
    own = home / "domains" / "toy"
    write_domain(tmp_path / "data")
    own.mkdir(parents=True)
    (own / "domain.py").write_text(CODE)
    assert load_domain(write_settings(own, data_root=str(tmp_path / "data")))
    for other in (
        {"data_root": str(own)},
        {"data_root": str(tmp_path / "data"), "fetch": [ARCHIVE]},
    ):
        shutil.copytree(tmp_path / "data", own, dirs_exist_ok=True)
        with pytest.raises(DataError, match="domains trust"):
            load_domain(write_settings(own, **other))


def test_shipped_code_needs_no_word(tmp_path):
    shipped = read_entry(Path(__file__).parents[4] / "domains" / "openi")
    write_domain(tmp_path / "d")
    shutil.copy(shipped.rows_file, tmp_path / "d" / "domain.py")
    with pytest.raises(DataError) as caught:  # it runs, and does not fit these rows
        load_domain(read_entry(tmp_path / "d"))
    assert "domains trust" not in str(caught.value)


def test_nothing_is_fetched_into_the_users_own_domains(tmp_path, home):
    for root in (home, home / "domains" / "other", home / "trusted"):
        entry = write_settings(tmp_path / "d", data_root=str(root), fetch=[ARCHIVE])
        with pytest.raises(InputError, match="among your own domains"):
            fetch_all(entry, data_root=None)


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A module that says when it is imported, and a domain whose domain.yaml names it."""
    (tmp_path / "modules").mkdir()
    code = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n"
    code += "from transferlab.domain.sources.table import TableSource as Mine\n"
    (tmp_path / "modules" / "strangers_module.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    write_domain(tmp_path / "d")
    return tmp_path / "d"


@pytest.mark.parametrize("key", ["kind", "metrics"])
def test_code_that_a_domain_yaml_names_is_imported_after_a_word_for_it(tmp_path, stranger, key):
    source, name = {}, "strangers_module:Mine"
    if key == "kind":
        source = {"source": {"kind": name, "media": {"image": {"kind": "image", "path": "{file}"}}}}
    else:
        task = {"kind": "classify", "prompt": "<image>", "answer": "{finding}", "metrics": [name]}
        source = {"tasks": {"finding": task}}
    entry = write_settings(stranger, **source)
    config = PipelineConfig(name="p", stream=[entry.name])
    for use in (
        lambda: load_domain(entry),
        lambda: check_domain(entry),
        lambda: raise_first(check(config, domains=[stranger.parent])),
    ):
        with pytest.raises(DataError, match="names the Python code 'strangers_module:Mine'"):
            use()
    assert not (tmp_path / "ran").exists()
    assert list(trust(entry)) == [name]
    open_domain(entry)
    assert (tmp_path / "ran").exists() == (key == "kind")
    assert list(withdraw_trust(entry)) == [name]
    with pytest.raises(DataError, match="transferlab domains trust"):
        open_domain(entry)


def raise_first(problems):
    named = [one for one in problems if "Python code" in one]
    raise DataError(named[0] if named else "nothing")


def test_a_word_can_be_taken_back(tmp_path):
    entry = with_code(tmp_path / "d")
    trust(entry)
    load_domain(entry)
    withdraw_trust(entry)
    with pytest.raises(DataError, match="domains trust"):
        load_domain(entry)
