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


def best_control(record: Mapping[str, Any]) -> float | None:
    """The highest value among a task's controls; None where none has one."""
    return max((one for one in control_values(record).values() if one is not None), default=None)


def is_understood(scored: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Whether a task's score is above its best control by its interval.

    The one rule for every arm and place. Without an interval nothing is shown. The best of several
    controls is too high by luck, so the rule says yes a little too seldom.

    Args:
        scored: ``result["arms"][arm][domain]["tasks"][task]``.
        record: ``result["controls"][domain][task]``, with at least one value.
    """
    highest, interval = best_control(record), scored.get("interval")
    return highest is not None and interval is not None and interval[0] > highest
