"""Controls as result.json has them, for whoever shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOT_CONTROLS = ("metric", "candidates", "reasons")
"""Keys of a task's record that are no control."""


def control_values(record: Mapping[str, Any]) -> dict[str, float | None]:
    """A task's controls by name, in the result's order; None where one has no value.

    Args:
        record: ``result["controls"][domain][task]``.
    """
    return {name: value for name, value in record.items() if name not in NOT_CONTROLS}


def title(name: str) -> str:
    """A control's name for people: "no image" for ``no_image``."""
    return name.replace("_", " ")
