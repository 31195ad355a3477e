"""The simulations of docs/statistics.md run, and are of what the page says."""

from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"


@pytest.fixture
def simulations(import_benchmark):
    return import_benchmark("simulations")


def first_cells(text):
    return [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize("part", ["intervals", "forgetting", "similarity"])
def test_a_part_prints_the_rows_of_the_page(simulations, part, capsys, monkeypatch):
    monkeypatch.setattr(simulations, "PERMUTATIONS", 2)
    simulations.main(["--repetitions", "2", "--only", part])
    rows = first_cells(capsys.readouterr().out)
    page = PAGE.read_text("utf-8")
    assert len(rows) > 10
    assert [row for row in rows if row not in page] == []
