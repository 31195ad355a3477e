"""What a row's own file states about somebody, found again wherever the row's texts repeat it."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from transferlab.domain.privacy.common_words import (
    COMMON_WORDS,
    HONORIFICS,
    PARTICLES,
    SHORT_FORMS,
)
from transferlab.domain.privacy.folding import FoldedText, fold, folded, is_unspaced

SHORTEST_VALUE = 3
"""Characters of a number, an address or another value that is looked for."""
_LONGEST_JOINED = 4
"""Words of a name that are also looked for written together, as user names are."""
_SPLIT_NAME = re.compile(r"[\s\^=,;_/\\.()\[\]\"“”・·]+")
_SPLIT_WORD = re.compile(r"[-']+")
_CAMEL = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")
_UMLAUTS = (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("å", "aa"))
_LETTER = r"[^\W\d_]"
_GAP = re.compile(r"[\s,.^_='’-]{0,3}")
"""Between the words of one name."""
_TITLE = re.compile(
    r"(?:\b(?:mr|mrs|ms|miss|mx|dr|prof|herr|frau|mme|madame|sir)\b\.?|\b\w*name:)\s*$"
)
_TITLES_AFTER = "先生|女士|小姐|太太|医生|醫生|大夫|教授|某|さん|様|氏|君|씨|님|선생|환자|양|군"
_TITLES_BEFORE = ("患者", "病人", "病患", "姓名", "환자")
"""Words that a person's name follows, in scripts without blanks."""
_JAMO = "\u1160-\u11ff"
"""Vowels and final consonants of Korean syllables, which folding takes apart."""
_BLANKS_FROM = 6
"""Letters of a word inside which a blank may stand, as in "De Luca"."""


@dataclass(frozen=True)
class Identifiers:
    """What is known of the people of one row."""

    names: tuple[str, ...] = ()
    """Names of persons, as PatientName has them or in any other order."""
    values: tuple[str, ...] = ()
    """Numbers, addresses and others that are found as a whole only."""

    def __add__(self, other: Identifiers) -> Identifiers:
        return Identifiers(self.names + other.names, self.values + other.values)

    def to_json(self) -> str:
        return json.dumps([self.names, self.values])

    @classmethod
    def from_json(cls, text: str) -> Identifiers:
        names, values = json.loads(text)
        return cls(tuple(names), tuple(values))


def name_words(name: str) -> list[str]:
    """The words of a person's name of any script and form, in its order.

    Args:
        name: such as ``Yamada^Tarou=山田^太郎`` or ``Smith-Jones, Mary Ann``.
    """
    return [one for one in _SPLIT_NAME.split(name) if one and any(map(str.isalnum, one))]


def find_known(text: str, identifiers: Identifiers) -> list[tuple[int, int]]:
    """Where a text repeats an identifier, as (start, end), in order and without overlaps.

    Names are found in any order, case and writing, and by each word: in full, by the halves of a
    double name, with accents or without, written together. A word that is also a common one, such
    as Long, or an abbreviation, such as Ng, counts where capitals, a title or a neighbour say that
    it names somebody; a single letter only beside a name. Values are found as a whole.
    """
    matcher = _matcher(identifiers)
    return matcher.find(folded(text)) if matcher.pattern is not None else []


@dataclass(frozen=True)
class _Matcher:
    pattern: re.Pattern[str] | None
    initials: frozenset[str]

    def find(self, text: FoldedText) -> list[tuple[int, int]]:
        assert self.pattern is not None, "asked where there is something to find"
        found, sure = [], []
        for match in self.pattern.finditer(text.text):
            start, end = text.span(*match.span())
            word = text.text[match.start() : match.end()]
            found.append((start, end, word))
            sure.append(match.lastgroup == "sure" or _names_somebody(text.original, start, word))
        _spread(text.original, found, sure)
        spans = [(start, end) for (start, end, _), one in zip(found, sure, strict=True) if one]
        return [self._with_initials(text.original, *span) for span in spans]

    def _with_initials(self, text: str, start: int, end: int) -> tuple[int, int]:
        """The span with initials beside it, as in "J. Q. Public"."""
        while after := re.match(rf"[\s,.^_]{{1,3}}({_LETTER})(?![^\W_])\.?", text[end : end + 8]):
            if not self._is_initial(after[1], stopped=after[0].endswith(".")):
                break
            end += after.end()
        while before := re.search(
            rf"(?<![^\W_])({_LETTER})(?:\.\s?|[\s_^])$", text[max(0, start - 4) : start]
        ):
            if not self._is_initial(before[1], stopped="." in before[0]):
                break
            start -= len(before[0])
        return start, end

    def _is_initial(self, letter: str, *, stopped: bool) -> bool:
        """Whether a letter is one of the name's; the words "A" and "I" need a full stop."""
        plain = fold(letter)
        return letter.isupper() and plain in self.initials and (stopped or plain not in "ai")


def _names_somebody(text: str, start: int, word: str) -> bool:
    """Whether a common word is a name here: after a title, or with a capital that nothing else
    explains."""
    if _TITLE.search(fold(text[max(0, start - 16) : start])):
        return True
    if word in SHORT_FORMS - COMMON_WORDS - PARTICLES:
        # In a text without capitals a number tells the unit.
        plain = text.islower() and not re.search(r"\d\s*$", text[:start])
        return plain or text[start].isupper()
    before = text[:start].rstrip(" \t\"'(“")
    begins = not before or before[-1] in ".!?:;\n\r"
    return text[start].isupper() and not text.isupper() and not begins


def _spread(text: str, found: list[tuple[int, int, str]], sure: list[bool]) -> None:
    """Count common words of a name beside another of its words: both with capitals, or a particle
    before a name."""
    # Backwards: of "van der Berg" the last word says what the others are.
    for one in reversed(range(len(found) - 1)):
        (start, end, word), (after, _, another) = found[one], found[one + 1]
        if word == another or not _GAP.fullmatch(text[end:after]):
            continue
        if word in PARTICLES:
            sure[one] = sure[one] or sure[one + 1]
        elif not text[start].islower() and not text[after].islower():
            sure[one] = sure[one + 1] = True


@lru_cache(maxsize=256)
def _matcher(identifiers: Identifiers) -> _Matcher:
    sure, unsure, initials = set[str](), set[str](), set[str]()
    for name in identifiers.names:
        for word in _written(name):
            plain = fold(word)
            letters = sum(map(str.isalnum, unicodedata.normalize("NFC", plain)))
            if not letters or plain in HONORIFICS:
                continue
            if is_unspaced(plain[0]):
                sure.add(_unspaced(plain, letters))
                continue
            initials.add(plain[0])
            if letters > 1:
                common = plain in COMMON_WORDS | PARTICLES | SHORT_FORMS
                (unsure if common else sure).add(_spaced(plain))
    sure |= set(_whole(identifiers.values))
    # Longer ones first: an alternative that fits ends the search.
    parts = [
        rf"(?P<{group}>{'|'.join(sorted(some, key=lambda one: (-len(one), one)))})"
        for group, some in (("sure", sure), ("unsure", unsure - sure))
        if some
    ]
    return _Matcher(re.compile("|".join(parts)) if parts else None, frozenset(initials))


def _written(name: str) -> Iterator[str]:
    """How a name's words may be written in a text, before folding."""
    for group in name.split("="):
        words = [one for one in name_words(group) if fold(one) not in HONORIFICS]
        for word in words:
            yield from _variants(word)
        if 1 < len(words) <= _LONGEST_JOINED:
            yield "".join(words)
            yield "".join(reversed(words))
            yield words[-1] + words[0]
            yield words[0] + words[-1]


def _variants(word: str) -> Iterator[str]:
    """A word, the parts of which it is made, and other writings of its vowels."""
    composed = unicodedata.normalize("NFC", word)
    plain = _SPLIT_WORD.split(fold(composed))
    parts = [part for part in plain if len(part) > 1] if len(plain) > 1 else []
    yield composed
    yield from parts
    camel = _CAMEL.split(composed)
    if len(camel) > 1:
        yield from (part for part in camel if len(part) > 1)
    wide = narrow = composed.lower()
    for short, long in _UMLAUTS:
        wide, narrow = wide.replace(short, long), narrow.replace(long, short)
    yield wide
    yield narrow


def _spaced(word: str) -> str:
    """Of a word between other letters and blanks; a hyphen or apostrophe may come or go."""
    letters = [re.escape(one) for one in word if one not in "-'"]
    between = "[-' ]?" if len(letters) >= _BLANKS_FROM else "[-']?"
    return rf"(?<!{_LETTER}){between.join(letters)}(?!{_LETTER})"


def _unspaced(word: str, letters: int) -> str:
    """Of a word in a script without blanks; one sign alone, or with a title, may be a name."""
    escaped = re.escape(word)
    if letters > 1:
        return rf"{escaped}(?![{_JAMO}])"
    after = fold(_TITLES_AFTER)
    # Words of one length each, as Python looks back over no others.
    before = "|".join(
        rf"(?<={word}{gap}){escaped}"
        for word in map(fold, _TITLES_BEFORE)
        for gap in ("", "[:： ]")
    )
    return rf"(?:(?<!{_LETTER}){escaped}(?!{_LETTER})|{escaped}(?=\s?(?:{after}))|{before})"


def _whole(values: Iterable[str]) -> Iterator[str]:
    for value in values:
        words = map(re.escape, fold(value).split())
        if len(value.strip()) >= SHORTEST_VALUE:
            yield r"(?<![^\W_])" + r"\s+".join(words) + r"(?![^\W_])"
