import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from domain_cases import write_settings

import transferlab
from transferlab.domain.catalog import find_domains
from transferlab.errors import InputError, TransferlabWarning


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Away from the checkout's ./domains and from the developer's own search path."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("TRANSFERLAB_DOMAINS", raising=False)
    return folder


def test_shipped_domains_are_found_anywhere():
    found = find_domains()
    assert {"chest-xray-real", "textbook-figures", "lectures-real"} <= set(found)
    assert list(found) == sorted(found)


def test_all_routes_are_searched(tmp_path, elsewhere, monkeypatch):
    write_settings(tmp_path / "a" / "one", name="by-argument")
    write_settings(tmp_path / "b" / "two", name="by-variable")
    write_settings(elsewhere / "domains" / "three", name="by-cwd")
    monkeypatch.setenv("TRANSFERLAB_DOMAINS", str(tmp_path / "b"))
    found = find_domains([tmp_path / "a"])
    assert {"by-argument", "by-variable", "by-cwd"} <= set(found)
    assert found["by-variable"].file == (tmp_path / "b" / "two" / "domain.yaml").resolve()


def test_one_folder_by_two_routes_is_one_domain(tmp_path, monkeypatch):
    write_settings(tmp_path / "a" / "one", name="twice")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    monkeypatch.setenv("TRANSFERLAB_DOMAINS", str(tmp_path / "link"))
    assert "twice" in find_domains([tmp_path / "a", tmp_path / "a" / "one"])


def test_a_copy_is_no_second_domain_but_a_changed_copy_is(tmp_path):
    write_settings(tmp_path / "a" / "one", name="copied")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert "copied" in find_domains([tmp_path / "a", tmp_path / "b"])
    (tmp_path / "b" / "one" / "domain.py").write_text("def rows(rows, root): return rows\n")
    with pytest.raises(InputError, match="two domains are named 'copied'") as caught:
        find_domains([tmp_path / "a", tmp_path / "b"])
    for folder in ("a", "b"):
        assert str(tmp_path / folder / "one" / "domain.yaml") in str(caught.value)


def write_broken(tmp_path):
    """A sound domain, and beside it one whose file is not; its path and its last line."""
    write_settings(tmp_path / "a" / "fine", name="fine")
    broken = tmp_path / "a" / "broken" / "domain.yaml"
    broken.parent.mkdir()
    broken.write_text((tmp_path / "a" / "fine" / "domain.yaml").read_text() + "titel: x\n")
    return broken, len(broken.read_text().splitlines())


@pytest.mark.parametrize(
    ("named", "needed"), [([], ["broken"]), ([], ["fine", "elsewhere"]), (["broken"], [])]
)
def test_a_broken_domain_that_is_asked_for_is_an_error_with_file_and_line(tmp_path, named, needed):
    """By its folder, by a name that is nowhere else, or as a folder on the search path."""
    broken, line = write_broken(tmp_path)
    with pytest.raises(InputError, match="titel") as caught:
        find_domains([tmp_path / "a", *(tmp_path / "a" / one for one in named)], needed=needed)
    assert f"{broken}:{line}" in str(caught.value)


@pytest.mark.parametrize("needed", [[], ["fine"]])
def test_a_broken_domain_that_nobody_asks_for_is_left_out_with_a_warning(tmp_path, needed):
    broken, line = write_broken(tmp_path)
    with pytest.warns(TransferlabWarning, match="titel") as caught:
        found = find_domains([tmp_path / "a"], needed=needed)
    assert "fine" in found
    assert "broken" not in found
    (warning,) = caught
    assert f"left out: {broken}:{line}" in str(warning.message)


@pytest.mark.parametrize("content", [None, "empty"])
def test_a_named_folder_without_domains_is_an_error(tmp_path, content):
    folder = tmp_path / "named"
    if content:
        folder.mkdir()
    with pytest.raises(InputError, match="--domains"):
        find_domains([folder])


def test_listing_imports_nothing_heavy():
    code = (
        "import sys; from transferlab.domain.catalog import find_domains; assert find_domains();"
        "import transferlab.domain.loader;"
        "print([m for m in ('torch', 'pydicom', 'monai', 'av') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(transferlab.__file__).parents[1],  # importable there, installed or not
    )
    assert done.stdout.strip() == "[]"
