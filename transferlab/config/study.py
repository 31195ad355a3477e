"""The schema of a study's file: one pipeline, varied over a grid or a list of cells."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from pydantic import Field, model_validator

from transferlab.config.section import Name, Section


class StudyConfig(Section):
    """One pipeline at several settings.

    Every mapping of ``cells`` is run at every point of ``grid``; either may be left out.
    """

    name: Name
    pipeline: str
    """A shipped pipeline's name, or a path from the folder of the study's file."""
    overrides: dict[str, Any] = {}
    """What all cells change of the pipeline, by dotted key, as ``--set`` takes it."""
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    """By dotted key, the values that it takes; all combinations are run."""
    cells: list[Annotated[dict[str, Any], Field(min_length=1)]] = []
    """What varies together: each entry has a value by dotted key."""

    @model_validator(mode="after")
    def _varies_something(self) -> StudyConfig:
        if not self.grid and not self.cells:
            raise ValueError("grid: a study varies something; give a grid, or a list of cells")
        return self

    @model_validator(mode="after")
    def _each_key_once(self) -> StudyConfig:
        listed = dict.fromkeys(key for cell in self.cells for key in cell)
        counts = Counter([*self.overrides, *self.grid, *listed])
        twice = sorted(key for key, count in counts.items() if count > 1)
        if twice:
            raise ValueError(
                f"{', '.join(twice)} must stand in one of overrides, grid and cells, not in two"
            )
        return self
