"""What is said in a conversation before an answer: turns with their roles, and as one text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]
"""Of a turn, in the words of chat templates; a tool's turn is what it gave back."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one side of a conversation says."""

    role: Role
    text: str
    """With a media slot for every medium that is shown in it."""
    learned: bool = False
    """Of an earlier answer: whether a training batch supervises it beside the sample's own."""


def turns_before(history: Sequence[Turn], *, prompt: str, role: Role = "user") -> tuple[Turn, ...]:
    """A history and the prompt after it, which is no turn where it is empty and they are some."""
    if history and not prompt:
        return tuple(history)
    return (*history, Turn(role=role, text=prompt))


def flatten_turns(turns: Sequence[Turn]) -> str:
    """A conversation as one text: every turn with its speaker, where both have spoken.

    What a backbone without a chat template reads; a lone turn, or a system text before it, is
    written without names.
    """
    both = any(turn.role == "assistant" for turn in turns)
    return "\n".join(
        f"{turn.role.capitalize()}: {turn.text}" if both and turn.role != "system" else turn.text
        for turn in turns
    )
