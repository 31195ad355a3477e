"""The record of one look at the environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "note", "problem"]
"""A note stops nothing, or only what needs it; with a problem a run fails or cannot be trusted."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was found of one thing, and what to do about it."""

    name: str
    status: Status
    found: str
    advice: str = ""
    """What to do; empty where there is nothing to do."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON-safe, for programs."""


def worst(checks: Iterable[Check]) -> Status:
    """The gravest status of several checks; ``ok`` where there are none."""
    grave: tuple[Status, ...] = ("problem", "note", "ok")
    found = {check.status for check in checks}
    return next((status for status in grave if status in found), "ok")


def size(size_bytes: int) -> str:
    """Bytes in GiB, or in MiB where they are fewer."""
    gib = size_bytes / 2**30
    return f"{gib:.1f} GiB" if gib >= 1 else f"{size_bytes / 2**20:.0f} MiB"
