"""Turns of a conversation as chat templates take them, and the roles that a template knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from transferlab.backbone.processing.reserved_tokens import PROBE
from transferlab.core.records import MEDIA_SLOT
from transferlab.core.text.conversation import Role, Turn
from transferlab.errors import ModelError

Message = dict[str, Any]
Render = Callable[[list[Message]], str]
"""What a template makes of messages, up to where an answer begins; raises ModelError."""
Form = Literal["parts", "text"]
"""How the content of a message is given: as a list of parts, or as one text."""
_WRITTEN_AS_DATA = re.compile(r"""['"]type['"]""")
"""In what a template has written: the list of parts itself, in place of its text."""
SYSTEM_GAP = "\n\n"
"""Between a system text and the user's first words, as Gemma's authors have it."""


def text_part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def message(role: Role, content: list[dict[str, str]] | str) -> Message:
    return {"role": role, "content": content}


def message_with_media(turn: Turn, frames: Sequence[int], sounds: Sequence[bool] = ()) -> Message:
    """A turn whose pictures and sounds are parts of their own, where its slots are.

    Args:
        turn: of any role.
        frames: per slot, how many pictures stand there.
        sounds: per slot, whether a sound comes after them; none does where nothing is given.
    """
    content: list[dict[str, str]] = []
    for position, part in enumerate(turn.text.split(MEDIA_SLOT)):
        if position:
            content += [{"type": "image"}] * frames[position - 1]
            if any(sounds[position - 1 : position]):
                content.append({"type": "audio"})
        if part:
            content.append(text_part(part))
    return message(turn.role, content)


def with_merged_system(turns: Sequence[Turn]) -> list[Turn]:
    """System texts at the head of the user's next turn, for a template without that role."""
    merged: list[Turn] = []
    waiting: list[str] = []
    for turn in turns:
        if turn.role == "system":
            waiting.append(turn.text)
        elif turn.role == "user" and waiting:
            text = SYSTEM_GAP.join(filter(None, [*waiting, turn.text]))
            merged.append(Turn(role="user", text=text))
            waiting = []
        else:
            merged.append(turn)
    if waiting:
        merged.append(Turn(role="user", text=SYSTEM_GAP.join(waiting)))
    return merged


def form_of_role(role: Role, render: Render, *, picture: bool) -> Form | None:
    """How a template takes the content of a role; None where it does not know the role.

    It knows a role whose turn it writes, and writes otherwise than a user's and an assistant's.

    Args:
        role: system, which comes first, or tool, which comes after an answer.
        render: what the template makes of messages.
        picture: show one in the user's turn; some templates refuse that beside a system text.
    """

    def written(as_role: Role, form: Form) -> str | None:
        said = PROBE if form == "text" else [text_part(PROBE)]
        shown = [{"type": "image"}] if picture else []
        asked = message("user", [*shown, text_part("?")])
        messages = [message(as_role, said), asked]
        if role == "tool":
            messages = [asked, message("assistant", [text_part("!")]), message(as_role, said)]
        try:
            return render(messages)
        except ModelError:
            return None

    forms: tuple[Form, ...] = ("parts", "text")
    for form in forms:
        found = written(role, form)
        if found is None or PROBE not in found or _WRITTEN_AS_DATA.search(found):
            continue
        alike = found in (written("user", "parts"), written("assistant", "parts"))
        return None if alike else form
    return None
