"""What two splits must not share, in a domain and in a stream of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

import numpy as np

from transferlab.core.records import SPLITS
from transferlab.domain.validation.findings import Problem
from transferlab.domain.validation.image_duplicates import BANDS, Separated, near_pairs
from transferlab.domain.validation.sample_index import SampleIndex
from transferlab.domain.validation.text_duplicates import MIN_WORDS, NEAR_TEXT, similarity

ADVICE = "in different splits: give them one group, or leave one out"
ADVICE_ACROSS = (
    "in different splits of two domains: what one step trains on, the other is scored on; split "
    "both by one column (splits.column), or leave one out"
)
_MATES = 20
"""Of a text, so many candidates are compared: reports of one form are alike by the thousand."""

Scope = int | None
"""The domain that is searched, or None: pairs of samples of two domains."""
SplitRef = tuple[int, int]
"""A domain and a split, by their numbers."""


def find_leaks(sample_index: SampleIndex, scope: Scope) -> Iterator[Problem]:
    """Everything that is on two splits.

    Shared groups, identical files and near-duplicate pictures are errors. Texts are warnings,
    because reports of healthy patients are often word for word the same.
    """
    if scope is not None:
        yield from _groups(sample_index, scope)
    yield from _identical_media(sample_index, scope)
    yield from _near_pictures(sample_index, scope)
    yield from _near_texts(sample_index, scope)


def _advice(scope: Scope) -> str:
    return ADVICE if scope is not None else ADVICE_ACROSS


def _within(scope: Scope) -> str:
    """The condition of a query by which samples are in scope."""
    return "samples.split IS NOT NULL" + ("" if scope is None else f" AND samples.domain = {scope}")


def _conflict(one: SplitRef, other: SplitRef, scope: Scope) -> bool:
    """Whether what is in both split_refs is a leak."""
    return one[1] != other[1] and (scope is not None or one[0] != other[0])


def _named(sample_index: SampleIndex, scope: Scope, on: Mapping[SplitRef, int]) -> str:
    """Where samples are, each by its domain if there are several, and by its split."""
    lines = []
    for (domain, split), sample in sorted(on.items(), key=lambda item: item[1]):
        before = f"{sample_index.domains[domain]}: " if scope is None else ""
        lines.append(f"{before}{sample_index.where(sample)} ({SPLITS[split]})")
    return " and ".join(lines)


def _first_conflict(on: Mapping[SplitRef, int], scope: Scope) -> dict[SplitRef, int]:
    """In one domain every split_ref; of two domains the first two that conflict; else nothing."""
    if scope is not None:
        return dict(on) if len(on) > 1 else {}
    for one, sample in on.items():
        for other, theirs in on.items():
            if _conflict(one, other, scope):
                return {one: sample, other: theirs}
    return {}


def _groups(sample_index: SampleIndex, domain: int) -> Iterator[Problem]:
    query = (
        f"SELECT owner, min(id) FROM samples WHERE {_within(domain)} AND owner IN (SELECT owner "
        f"FROM samples WHERE {_within(domain)} GROUP BY owner HAVING count(DISTINCT split) > 1) "
        "GROUP BY owner, split ORDER BY owner, min(id)"
    )
    for _, members in groupby(sample_index.rows(query), key=lambda row: row[0]):
        yield Problem(
            kind="shared_group",
            where=" and ".join(sample_index.where(sample) for _, sample in members),
            reason="are of one group and in different splits",
        )


def _identical_media(sample_index: SampleIndex, scope: Scope) -> Iterator[Problem]:
    query = (
        "SELECT media.digest, samples.domain, samples.split, min(samples.id) FROM samples "
        "JOIN shown ON shown.sample = samples.id JOIN media ON media.id = shown.medium "
        f"WHERE {_within(scope)} GROUP BY media.digest, samples.domain, samples.split "
        "ORDER BY media.digest, min(samples.id)"
    )
    for _, members in groupby(sample_index.rows(query), key=lambda row: row[0]):
        found = _first_conflict({(m[1], m[2]): m[3] for m in members}, scope)
        if found:
            yield Problem(
                kind="identical_medium",
                where=_named(sample_index, scope, found),
                reason=f"have the same medium, byte for byte, and are {_advice(scope)}",
            )


def _near_pictures(sample_index: SampleIndex, scope: Scope) -> Iterator[Problem]:
    sample_index.gather_pictures(_within(scope))
    bands = (sample_index.pictures_by_band(number) for number in range(BANDS))
    for i, j, bits in near_pairs(bands, _table(len(sample_index.domains), scope)):
        (one, mine), (other, theirs) = sample_index.picture(i), sample_index.picture(j)
        if _digest(sample_index, mine) & _digest(sample_index, theirs):
            continue  # told already, as identical
        on = {divmod(one, len(SPLITS)): mine, divmod(other, len(SPLITS)): theirs}
        yield Problem(
            kind="near_duplicate_picture",
            where=_named(sample_index, scope, on),
            reason=f"show the same picture ({bits} of 256 bits of its hash differ) and are "
            f"{_advice(scope)}",
        )


def _digest(sample_index: SampleIndex, sample: int) -> set[bytes]:
    query = (
        "SELECT media.digest FROM shown JOIN media ON media.id = shown.medium "
        "WHERE shown.sample = ?"
    )
    return {digest for (digest,) in sample_index.rows(query, sample)}


def _table(domains: int, scope: Scope) -> Separated:
    """(C, C) bool over all split_refs: where the same picture would be a leak."""
    split_refs = [(domain, split) for domain in range(domains) for split in range(len(SPLITS))]
    return np.array([[_conflict(one, other, scope) for other in split_refs] for one in split_refs])


def _near_texts(sample_index: SampleIndex, scope: Scope) -> Iterator[Problem]:
    """One problem for all texts that are repeated, with the first of them."""
    first, more = "", -1
    for on in _repeated_texts(sample_index, scope):
        first = first or _named(sample_index, scope, on)
        more += 1
    if first:
        where_from = f"in different splits{' of two domains' if scope is None else ''}"
        others = f"; so have {more} more such pairs {where_from}" if more else f", {where_from}"
        yield Problem(
            kind="near_duplicate_text",
            where=first,
            reason=f"have nearly the same text of {MIN_WORDS} or more words{others}",
            severity="warning",
        )


def _repeated_texts(sample_index: SampleIndex, scope: Scope) -> Iterator[dict[SplitRef, int]]:
    query = (
        "SELECT text, domain, split, min(id) FROM samples WHERE text IS NOT NULL AND "
        f"{_within(scope)} GROUP BY text, domain, split ORDER BY text, min(id)"
    )
    for text, members in groupby(sample_index.rows(query), key=lambda row: row[0]):
        mine = {(domain, split): sample for _, domain, split, sample in members}
        found = _first_conflict(mine, scope) or _near_conflict(sample_index, scope, text, mine)
        if found:
            yield found


def _near_conflict(
    sample_index: SampleIndex, scope: Scope, text: int, mine: Mapping[SplitRef, int]
) -> dict[SplitRef, int]:
    """The first earlier text that is nearly the same and in another split_ref."""
    mates = (
        "SELECT DISTINCT texts.id, texts.pieces FROM bands AS own JOIN bands AS other "
        "ON own.value = other.value JOIN texts ON texts.id = other.text "
        "WHERE own.text = ? AND other.text < own.text LIMIT ?"
    )
    own = None
    for other, pieces in list(sample_index.rows(mates, text, _MATES)):
        own = own or sample_index.one("SELECT pieces FROM texts WHERE id = ?", text)
        if similarity(own, pieces) < NEAR_TEXT:
            continue
        query = (
            f"SELECT domain, split, min(id) FROM samples WHERE text = ? AND {_within(scope)} "
            "GROUP BY domain, split ORDER BY min(id)"
        )
        for domain, split, sample in sample_index.rows(query, other):
            for split_ref, one in mine.items():
                if _conflict((domain, split), split_ref, scope):
                    return {(domain, split): sample, split_ref: one}
    return {}
