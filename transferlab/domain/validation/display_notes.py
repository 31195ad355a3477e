"""Pictures that are shown otherwise than their files say, since that cannot be done."""

from __future__ import annotations

from collections.abc import Iterator

from transferlab.domain.validation.findings import Problem
from transferlab.domain.validation.sample_index import SampleIndex

_QUERY = """
SELECT media.note, count(DISTINCT media.id), samples.position, min(samples.id)
FROM samples JOIN shown ON shown.sample = samples.id JOIN media ON media.id = shown.medium
WHERE samples.domain = ? AND media.note IS NOT NULL GROUP BY media.note ORDER BY min(samples.id)
"""


def find_display_notes(sample_index: SampleIndex, domain: int) -> Iterator[Problem]:
    """A warning per note, at the first sample whose picture has it."""
    for note, files, where, _ in sample_index.rows(_QUERY, domain):
        others = f"; so in {files} files" if files > 1 else ""
        yield Problem(
            kind="display", where=where, reason=f"its file's {note}{others}", severity="warning"
        )
