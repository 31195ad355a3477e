"""Words that mean something to a backbone: its special tokens, and what starts a turn."""

from __future__ import annotations

import re
from typing import Any

from transferlab.core.records import MEDIA_SLOT

_SHORTEST = 3
PROBE = "\u2402"
"""A text that no template writes itself."""


def reserved_words(tokenizer: Any, rendered: str | None) -> tuple[str, ...]:
    """The longest first; in data they would end an answer, start a turn or stand for a medium.

    Args:
        tokenizer: whose special tokens are looked at.
        rendered: what the chat template makes of a user's turn with the text ``PROBE``, up to where
            an answer begins; None where there is no template.
    """
    words = {*tokenizer.all_special_tokens}
    words |= {one.content for one in tokenizer.added_tokens_decoder.values() if one.special}
    if rendered is not None:
        around = rendered.partition(PROBE)[::2]
        words |= {mark for text in around for mark in re.findall(r"<\|[^|<>\s]+\|>", text)}
    long_enough = (word for word in words if len(word.strip()) >= _SHORTEST)
    return tuple(sorted(long_enough, key=lambda word: (-len(word), word)))


def reserved_in(text: str, pattern: re.Pattern[str] | None) -> str | None:
    """The first reserved word of a text, media slots left out; None where there is none."""
    if pattern is None:
        return None
    found = pattern.search(text.replace(MEDIA_SLOT, " "))
    return None if found is None else found[0]
