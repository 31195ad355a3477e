"""Names become objects on demand, and a wrong name is met with the nearest one."""

import sys

import pytest

from transferlab.continual.options.registry import STRATEGIES
from transferlab.core.lazy import require
from transferlab.core.registry import Registry, RegistryView, _entry_points, did_you_mean
from transferlab.domain.base.source_kinds import SOURCES
from transferlab.errors import InputError, MissingExtra, UnknownName
from transferlab.evaluation.control import CONTROLS
from transferlab.export.exporter import EXPORTERS
from transferlab.metrics.pool import SIMILARITIES

OURS = [STRATEGIES, SOURCES, SIMILARITIES, CONTROLS, EXPORTERS]
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


PYPROJECT = """[transferlab.numbers]
mine = my_numbers:MINE
broken = my_numbers:MISSING
"""


@pytest.fixture
def distribution(tmp_path, monkeypatch):
    """A third party's distribution on the path, with entry points; its module counts imports."""

    def install(name: str, entries: str, module: str) -> None:
        folder = tmp_path / name
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entries)
        (folder / f"{name.replace('-', '_')}.py").write_text(module)
        monkeypatch.syspath_prepend(str(folder))
        _entry_points.cache_clear()

    yield install
    _entry_points.cache_clear()


def test_a_third_party_adds_an_entry_without_touching_the_package(distribution):
    distribution("my-numbers", PYPROJECT, "MINE = 7\n")
    numbers = Registry("number", {"pi": "math:pi"}, group="transferlab.numbers")
    assert numbers.names() == ["broken", "mine", "pi"]
    assert "my_numbers" not in sys.modules
    assert numbers.get("mine") == 7
    assert numbers.get("math:tau") == pytest.approx(6.283185307)
    with pytest.raises(InputError, match="my_numbers:MISSING cannot be imported"):
        numbers.get("broken")
    with pytest.raises(InputError, match="no_such_module:x cannot be imported"):
        numbers.get("no_such_module:x")
    assert Registry("number", {"pi": "math:pi"}).names() == ["pi"]


def test_two_of_one_name_are_refused_with_where_they_come_from(distribution):
    distribution("first-one", "[transferlab.numbers]\npi = first_one:PI\n", "PI = 3\n")
    ours = Registry("number", {"pi": "math:pi"}, group="transferlab.numbers")
    with pytest.raises(InputError, match=r"'pi' comes with transferlab, and .* 'first-one'"):
        ours.names()
    distribution("other-one", "[transferlab.numbers]\npi = other_one:PI\n", "PI = 3\n")
    theirs = Registry("number", {}, group="transferlab.numbers")
    with pytest.raises(InputError, match=r"'(first|other)-one' and by .*'(first|other)-one'"):
        theirs.names()


def test_a_view_shows_ours_in_their_order_and_reads_others_when_asked(distribution):
    distribution("my-numbers", PYPROJECT, "MINE = 7\n")
    registry = Registry("number", {"pi": "math:pi"}, group="transferlab.numbers")
    view = RegistryView({"pi": "ours"}, registry, str)
    assert list(view) == ["pi", "broken", "mine"]
    assert (view["pi"], view["mine"], len(view)) == ("ours", "7", 3)
    assert "mine" in view
    assert "none" not in view
    with pytest.raises(KeyError):
        view["none"]


@pytest.mark.parametrize("registry", OURS, ids=lambda one: one.names()[0])
def test_every_name_of_ours_is_an_entry_of_that_name(registry):
    """A module that is none would be offered as one: it belongs into another room."""
    assert len(registry.names()) >= 1
    for name in registry.names():
        entry = registry.get(name)
        assert getattr(entry, "name", getattr(entry, "__name__", None)) == name
