"""What a learner had answered before a question, and how a prompt says so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LearnerHistory:
    """Who is asked which item, and what that learner had answered before: what controls learn
    from. A model sees of it what the prompt shows."""

    learner: str
    """Salted id, the same on every side of a split by time."""
    item: str
    past_answers: int
    """Of this learner, at an earlier time."""
    past_right: int
    """Of those."""
    recent: tuple[tuple[str, bool], ...]
    """The latest of those, the last one last: item, and whether it was right."""
    shown: str
    """How a prompt says what is in ``recent``."""
    nothing: str
    """How a prompt says that there was nothing before."""
