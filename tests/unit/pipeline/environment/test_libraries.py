"""Versions against bounds, in environments that lack something."""

from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement

from transferlab.pipeline.environment import libraries
from transferlab.pipeline.environment.libraries import (
    EXTRAS,
    check_libraries,
    compare_extras,
    compare_libraries,
    compare_python,
)

REQUIREMENTS = [
    Requirement(text)
    for text in (
        "torch>=2.9",
        "monai>=1.5",
        "spacy>=3.8; extra == 'privacy'",
        "timm; extra=='timm'",
    )
]


def installed(**versions):
    """An environment with these distributions."""

    def find(name):
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    return find


def test_all_within_bounds():
    check = compare_libraries(REQUIREMENTS, installed(torch="2.9.1+cpu", monai="1.6.0rc1"))
    assert (check.status, check.advice) == ("ok", "")
    assert check.found == "2 installed and within their bounds (torch 2.9.1+cpu)"


def test_what_is_missing_or_too_old_comes_with_one_command():
    check = compare_libraries(REQUIREMENTS, installed(torch="2.5.0"))
    assert check.status == "problem"
    assert check.found == "torch 2.5.0 is not >=2.9; monai is missing"
    assert check.advice == "pip install 'torch>=2.9' 'monai>=1.5'"
    assert check.details == {"torch": "2.5.0", "monai": None}


def test_an_extra_that_is_missing_is_a_note_that_says_what_for():
    found = {one.name: one for one in compare_extras(REQUIREMENTS, installed(timm="1.0"))}
    assert (found["extra timm"].status, found["extra timm"].advice) == ("ok", "")
    privacy = found["extra privacy"]
    assert (privacy.status, privacy.found) == ("note", "not installed")
    assert privacy.advice == (
        "for privacy.text and the search for burned-in text: pip install 'transferlab[privacy]'"
    )


@pytest.mark.parametrize(("found", "status"), [("3.10.2", "problem"), ("3.12.0", "ok")])
def test_python_is_compared(found, status):
    assert compare_python(">=3.11,<3.14", found).status == status


def test_the_extras_are_those_of_the_package():
    assert set(distribution("transferlab").metadata.get_all("Provides-Extra")) - {"dev"} == set(
        EXTRAS
    )


def test_a_folder_that_is_not_installed_is_a_problem(monkeypatch):
    monkeypatch.setattr(libraries, "PACKAGE", "transferlab-that-is-nowhere")
    (check,) = check_libraries()
    assert (check.status, check.name) == ("problem", "libraries")
    assert "not installed" in check.found
