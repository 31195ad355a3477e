"""Pictures of a domain that asks for privacy, searched for text that is burned into them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from transferlab.config.privacy import PrivacySection
from transferlab.core.records import MediaRef
from transferlab.domain.asking import Asked
from transferlab.domain.media import decode
from transferlab.domain.report import Problem
from transferlab.errors import MissingExtra

KIND = "burned_in_text"


def find_burned_in(asked: Sequence[Asked], section: PrivacySection) -> list[Problem]:
    """A warning for every picture on which text seems to stand; films are not searched.

    Args:
        asked: samples whose media can be decoded.
        section: the domain's; nothing is searched unless it asks for ``dicom``.
    """
    pictures = list(_pictures(asked))
    if section.dicom is None or not pictures:
        return []
    from transferlab.domain.privacy.burned_in import count_characters, require_reader

    try:
        require_reader()
    except MissingExtra as error:
        reason = f"pictures were not searched for burned-in text: {error}"
        return [_warning("privacy", reason)]
    found = []
    for where, ref in pictures[: section.searched_pictures]:
        characters = max(map(count_characters, decode(ref)))
        if characters:
            reason = f"its picture seems to hold text: about {characters} letters and digits"
            found.append(_warning(where, reason))
    return found


def _pictures(asked: Sequence[Asked]) -> Iterator[tuple[str, MediaRef]]:
    """Every picture once, with the first row that shows it."""
    seen = set()
    for one in asked:
        for ref in one.sample.media:
            if ref.kind != "video" and ref not in seen:
                seen.add(ref)
                yield one.where, ref


def _warning(where: str, reason: str) -> Problem:
    return Problem(kind=KIND, where=where, reason=reason, severity="warning")
