"""What the wheel holds, as its builder lists it: without a checkout there is nothing else."""

from pathlib import Path

import pytest

from transferlab.config.gallery import shipped_pipelines
from transferlab.domain.catalog import find_domains

ROOT = Path(__file__).parents[2]
FOLDERS = {"transferlab": "transferlab", "domains": "transferlab/content/domains"}
FOLDERS |= {"pipelines": "transferlab/content/pipelines"}
"""Of the checkout, and where each lies in the wheel."""


@pytest.fixture(scope="module")
def listed() -> set[str]:
    """The paths inside the wheel."""
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling builds the wheel")
    builder = wheel.WheelBuilder(str(ROOT))
    return {Path(one.distribution_path).as_posix() for one in builder.recurse_included_files()}


def files_of(folder: str) -> set[str]:
    """Every file of a folder of the checkout, by its path in the wheel."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return {
        f"{FOLDERS[folder]}/{path.relative_to(ROOT / folder).as_posix()}"
        for path in found
        if "__pycache__" not in path.parts
    }


@pytest.mark.parametrize(
    ("folder", "least"), [("transferlab", 300), ("domains", 40), ("pipelines", 7)]
)
def test_every_file_of_the_package_is_in_the_wheel(listed, folder, least):
    files = files_of(folder)
    assert len(files) >= least, "too few files found; this test would pass on nothing"
    assert files - listed == set()


def test_nothing_else_is_in_it(listed):
    assert listed - set().union(*map(files_of, FOLDERS)) == set()


def test_what_is_shipped_is_found_in_it(listed):
    content = "transferlab/content"
    assert {f"{content}/pipelines/{path.name}" for path in shipped_pipelines().values()} <= listed
    folders = {entry.folder for entry in find_domains().values()}
    shipped = {one.name for one in folders if one.is_relative_to(ROOT / "domains")}
    assert len(shipped) > 10
    assert {f"{content}/domains/{name}/domain.yaml" for name in shipped} <= listed
