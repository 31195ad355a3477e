"""Names become objects on demand, and a wrong name is met with the nearest one."""

import sys

import pytest

from transferlab.core.optional import require
from transferlab.core.registry import Registry, did_you_mean
from transferlab.errors import MissingExtra, UnknownName

REGISTRY = Registry("number", {"pi": "math:pi", "broken": "no_such_module_anywhere:x"})


def test_a_name_is_imported_only_when_asked_for():
    lazy = Registry("poem", {"zen": "colorsys:ONE_THIRD"})
    sys.modules.pop("colorsys", None)
    assert lazy.names() == ["zen"]
    assert "zen" in lazy
    assert "colorsys" not in sys.modules
    assert lazy.get("zen") == 1 / 3
    assert "colorsys" in sys.modules


def test_an_unknown_name_names_the_nearest_and_all():
    with pytest.raises(UnknownName) as caught:
        REGISTRY.get("pie")
    assert str(caught.value) == "Unknown number 'pie'. Did you mean 'pi'? Known: broken, pi."


def test_a_broken_entry_is_not_taken_for_an_unknown_name():
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        REGISTRY.get("broken")


def test_no_hint_where_nothing_is_near():
    assert did_you_mean("zzzz", ["pi"]) == ""


def test_a_missing_library_is_said_with_its_purpose_and_command():
    with pytest.raises(MissingExtra) as caught:
        require("no_such_library.part", extra="hub", purpose="reading from a hub")
    assert str(caught.value) == (
        "reading from a hub needs 'no_such_library.part': pip install 'transferlab[hub]'"
    )
    assert caught.value.exit_code == 5


def test_a_library_that_is_there_is_returned():
    assert require("math", extra="none", purpose="counting") is sys.modules["math"]


def test_a_library_that_breaks_inside_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "half_there.py").write_text("import another_that_is_missing")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="another_that_is_missing"):
        require("half_there", extra="none", purpose="testing")
