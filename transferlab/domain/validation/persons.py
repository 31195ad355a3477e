"""Which person a sample is of, by other words than its group's; and persons on two splits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from transferlab.domain.base.join_keys import person_number
from transferlab.domain.base.rows import Row
from transferlab.domain.validation.findings import Problem
from transferlab.domain.validation.sample_index import SampleIndex

_COLUMN = re.compile(
    r"(patient|subject|person|learner|student|pupil|participant)(id|no|nr|num|number|identifier)"
    r"|patient|mrn|pid|medicalrecord(no|number)?"
)
"""A column's name, without case and signs, that holds a number or code of a person."""
_IN_TEXT = re.compile(
    r"\b(?:MRN|medical\s+record(?:\s+(?:number|no))?|patient\s*(?:id|number|no|nr))\b\W{0,3}"
    r"((?=[\w-]*\d)\w[\w-]{3,})",
    re.IGNORECASE,
)
"""What a report calls a patient's number, and the number."""
_PLACEHOLDER_SHARE = 0.5
_FEW_GROUPS = 4

_SHARED = """
SELECT named.key, samples.split, samples.owner, min(samples.id) FROM (
    SELECT key, sample FROM persons UNION
    SELECT medium_persons.key, shown.sample FROM medium_persons
    JOIN shown ON shown.medium = medium_persons.medium
) AS named JOIN samples ON samples.id = named.sample
WHERE samples.domain = ? AND samples.split IS NOT NULL
GROUP BY named.key, samples.split, samples.owner ORDER BY named.key, min(samples.id)
"""


def persons_of(row: Row, text: str) -> Iterator[str]:
    """What a row and its text say of the person that it is of, other than by names.

    Args:
        row: its columns.
        text: of the prompt and the answer.
    """
    for column, value in row.items():
        if value.strip() and _COLUMN.fullmatch(re.sub(r"[\W_]", "", column.lower())):
            yield person_number(value)
    for found in _IN_TEXT.finditer(text):
        yield person_number(found[1])


def find_shared_persons(sample_index: SampleIndex, domain: int) -> Iterator[Problem]:
    """Persons that other groups hold apart, and that are therefore on two splits.

    What more than half of the groups have in common is a placeholder, as removal of names leaves
    it behind; it is a warning, since persons cannot then be told apart by it.
    """
    groups = sample_index.one("SELECT count(DISTINCT owner) FROM samples WHERE domain = ?", domain)
    found: dict[tuple[str, ...], None] = {}
    for _, members in groupby(sample_index.rows(_SHARED, domain), key=lambda row: row[0]):
        held = list(members)
        owners = {owner for _, _, owner, _ in held}
        if len(owners) < 2 or len({split for _, split, _, _ in held}) < 2:
            continue
        examples = {split: sample for _, split, _, sample in reversed(held)}
        where = " and ".join(sample_index.where(sample) for sample in sorted(examples.values()))
        if groups >= _FEW_GROUPS and len(owners) > _PLACEHOLDER_SHARE * groups:
            yield Problem(
                kind="shared_person",
                where=where,
                reason=f"name one person, as {len(owners)} of {groups} groups do: is it a "
                "placeholder? Then nothing but the group says who belongs together",
                severity="warning",
            )
        elif (where,) not in found:
            found[where,] = None
            yield Problem(
                kind="shared_person",
                where=where,
                reason=f"name one person in {len(owners)} groups and are in different splits; "
                "let the person be the group",
            )
