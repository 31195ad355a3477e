"""How close a free-text answer comes to the expected one (SQuAD, Rajpurkar et al. 2016)."""

from __future__ import annotations

import string
from collections import Counter

ARTICLES = frozenset({"a", "an", "the"})
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def answer_tokens(text: str) -> list[str]:
    """Lower-case words without ASCII punctuation and English articles.

    A text that consists of nothing else (the option "A", the sign "+") keeps what would have been
    removed: otherwise it would equal an empty answer.
    """
    words = text.lower().split()
    cleaned = text.lower().translate(_NO_PUNCTUATION).split()
    return [word for word in cleaned if word not in ARTICLES] or cleaned or words


def exact_match(text: str, answer: str) -> float:
    """1.0 where the normalised texts are equal, else 0.0."""
    return float(answer_tokens(text) == answer_tokens(answer))


def token_f1(text: str, answer: str) -> float:
    """Harmonic mean of token precision and recall after normalisation, in [0, 1].

    Tokens count as often as they occur. Two empty texts score 1, one empty text scores 0.
    """
    given_tokens, expected = answer_tokens(text), answer_tokens(answer)
    if not given_tokens or not expected:
        return float(given_tokens == expected)
    shared = sum((Counter(given_tokens) & Counter(expected)).values())
    return 2 * shared / (len(given_tokens) + len(expected))
