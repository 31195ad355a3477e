"""What a domain's digest changes with: all that decides a score."""

import dataclasses

import pytest
from domain_cases import toy_rows, write_domain, write_picture

from transferlab.config.domain import DomainConfig
from transferlab.domain.loader import load_domain


@pytest.fixture
def entry(tmp_path):
    return write_domain(tmp_path / "d")


def changed(entry, **changes):
    """The digest after changes of splits, or of the tasks' metrics."""
    content = entry.config.model_dump(exclude_unset=True)
    for key, value in changes.items():
        for section in content["tasks"].values() if key == "metrics" else [content["splits"]]:
            section[key] = value
    config = DomainConfig.model_validate(content)
    return load_domain(dataclasses.replace(entry, config=config)).digest


def test_the_same_twice(entry):
    assert changed(entry) == changed(entry)


@pytest.mark.parametrize(
    "change", [{"seed": 5}, {"train": 0.5, "validation": 0.3}, {"metrics": ["macro_f1"]}]
)
def test_sides_and_metrics(entry, change):
    assert changed(entry, **change) != changed(entry)


def test_pixels(entry):
    before = changed(entry)
    write_picture(entry.folder / "images" / "0_0.png", 200)
    assert changed(entry) != before


@pytest.mark.parametrize("change", [{"finding": "nodule"}, {"note": "a new note"}])
def test_answers_and_prompts(entry, change, tmp_path):
    rows = toy_rows()
    rows[0] |= change
    other = write_domain(tmp_path / "other", rows=rows)
    assert changed(other) != changed(entry)
