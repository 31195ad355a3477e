"""The same question asked twice, and answered differently."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from transferlab.domain.validation.findings import Problem
from transferlab.domain.validation.sample_index import SampleIndex

_REPEATED = """
SELECT mine.task, mine.position, other.position, mine.answer = other.answer FROM samples AS mine
JOIN (SELECT question, min(id) AS first FROM samples WHERE domain = ?1
      GROUP BY question HAVING count(*) > 1) AS asked ON mine.question = asked.question
JOIN samples AS other ON other.id = asked.first
WHERE mine.domain = ?1 AND mine.id > asked.first
    AND (mine.label IS NOT NULL OR mine.answer = other.answer)
ORDER BY mine.id
"""


_INSTANCES = """
SELECT instance, samples.position, min(samples.id) FROM media
JOIN shown ON shown.medium = media.id JOIN samples ON samples.id = shown.sample
WHERE samples.domain = ?1 AND instance IN (
    SELECT instance FROM media JOIN shown ON shown.medium = media.id
    JOIN samples ON samples.id = shown.sample
    WHERE samples.domain = ?1 AND instance IS NOT NULL
    GROUP BY instance HAVING count(DISTINCT media.digest) > 1)
GROUP BY instance, media.digest ORDER BY instance, min(samples.id)
"""


def find_shared_instances(sample_index: SampleIndex, domain: int) -> Iterator[Problem]:
    """DICOM files that say they are one object, and are not the same."""
    rows = sample_index.rows(_INSTANCES, domain)
    for _, members in groupby(rows, key=lambda row: row[0]):
        first, *others = (where for _, where, _ in members)
        yield Problem(
            kind="shared_instance",
            where=others[0],
            reason=f"its file has the SOPInstanceUID of that of {first}, and other content: one of "
            "them is not what it says it is",
            severity="warning",
        )


def find_repeats(sample_index: SampleIndex, domain: int) -> Iterator[Problem]:
    """Samples of one task with the same media and prompt.

    Two that agree say one thing twice; two labels of one picture contradict each other. Free
    answers may differ: two people describe one picture in their own words.
    """
    for task, where, earlier, same in sample_index.rows(_REPEATED, domain):
        says = (
            f"says the same again as {earlier}"
            if same
            else f"has another answer to the same question, asked of the same media in {earlier}"
        )
        yield Problem(
            kind="duplicate" if same else "contradiction",
            where=where,
            reason=f"task '{task}': {says}",
            severity="warning",
        )
