"""A conversation of three exchanges with system text and two pictures, for every backbone."""

from __future__ import annotations

from dataclasses import replace

from backbone_cases import picture, sample

from transferlab.core.text.conversation import Turn

ANSWERS = ("a small effusion", "on the left side", "no, it has grown")
SYSTEM = "You are a radiologist."
LAST = "Did it shrink since?"


def conversation(*, learned: bool = False, system: str | None = SYSTEM, **changes):
    """Whose earlier answers are learned too, or are context only."""
    first, second, last = ANSWERS
    history = [
        Turn(role="user", text="<image>What does it show?"),
        Turn(role="assistant", text=first, learned=learned),
        Turn(role="user", text="And where? See <image>too."),
        Turn(role="assistant", text=second, learned=learned),
    ]
    if system is not None:
        history.insert(0, Turn(role="system", text=system))
    given = {
        "history": tuple(history),
        "prompt": LAST,
        "answer": last,
        "media": (picture(1), picture(2)),
    }
    return replace(sample(0, **given), **changes)


def text_of(text):
    return {"type": "text", "text": text}


def messages(*, images=()):
    """The same conversation as anybody writes it for a chat template.

    ``images``: the two pictures; left out, their places are marked alone.
    """
    shown = [{"type": "image", "image": one} for one in images] or [{"type": "image"}] * 2
    first, second, last = ANSWERS
    return [
        {"role": "system", "content": [text_of(SYSTEM)]},
        {"role": "user", "content": [shown[0], text_of("What does it show?")]},
        {"role": "assistant", "content": [text_of(first)]},
        {"role": "user", "content": [text_of("And where? See "), shown[1], text_of("too.")]},
        {"role": "assistant", "content": [text_of(second)]},
        {"role": "user", "content": [text_of(LAST)]},
        {"role": "assistant", "content": [text_of(last)]},
    ]
