"""Texts folded for comparison: case, accents, widths and typographic variants are alike.

A name is written in a report otherwise than in a file: WEISS for Weiß, a decomposed é, a curly
apostrophe, katakana for hiragana. Both are folded before they are compared, and what is found is
mapped back to the text as it stands.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

_APOSTROPHES = dict.fromkeys(map(ord, "’‘ʼʻ`´′ʹ＇"), "'")
_HYPHENS = dict.fromkeys(map(ord, "‐‑‒–—―−﹣－"), "-")
_LETTERS = {
    ord(one): other
    for one, other in {
        "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i",
        "ħ": "h", "ŧ": "t",
        # Arabic and Persian forms of one letter, and the line that stretches words.
        "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ـ": "",
    }.items()
}  # fmt: skip
_HIRAGANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}
"""Katakana by the same sounds."""
_UNSPACED = (
    (0x0E00, 0x0EFF), (0x1000, 0x11FF), (0x1780, 0x17FF), (0x2E80, 0x9FFF), (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip
"""Thai, Lao, Burmese, Korean (its particles stick to names), Khmer, Chinese and Japanese."""


@dataclass(frozen=True)
class FoldedText:
    """A text folded for comparison, with the place of each of its characters in the original."""

    text: str
    original: str
    starts: tuple[int, ...]
    """Index into ``original`` of each character of ``text``; it never falls."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where ``text[start:end]`` stands in the original, accents that follow it included."""
        last = self.starts[end - 1]
        following = bisect_right(self.starts, last)
        stop = self.starts[following] if following < len(self.starts) else len(self.original)
        # Only what was dropped by folding lies between.
        return self.starts[start], stop


def fold(text: str) -> str:
    """The text with what makes no difference to a name taken out; it may change its length."""
    return text.casefold() if text.isascii() and "`" not in text else folded(text).text


@lru_cache(maxsize=4096)
def folded(text: str) -> FoldedText:
    """The text as ``fold`` makes it, with the way back."""
    if text.isascii() and "`" not in text:
        return FoldedText(text.casefold(), text, tuple(range(len(text))))
    parts = [_fold_character(one) for one in text]
    starts = tuple(position for position, part in enumerate(parts) for _ in part)
    return FoldedText("".join(parts), text, starts)


def is_unspaced(character: str) -> bool:
    """Whether its script puts no blanks around names, such as Chinese, Japanese, Korean, Thai."""
    return any(low <= ord(character) <= high for low, high in _UNSPACED)


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    plain = character.translate(_APOSTROPHES).translate(_HYPHENS)
    decomposed = unicodedata.normalize("NFKD", plain.casefold())
    # Marks (accents, vowel signs) and invisible characters (soft hyphens, joiners) are no letters.
    letters = "".join(one for one in decomposed if unicodedata.category(one)[0] != "M"
                   and unicodedata.category(one) != "Cf")  # fmt: skip
    return letters.casefold().translate(_LETTERS).translate(_HIRAGANA)
