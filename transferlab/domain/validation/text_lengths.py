"""Texts that are likely longer than a backbone takes, where no backbone measures them."""

from __future__ import annotations

from transferlab.core.records import Sample
from transferlab.domain.validation.findings import Problem

LONG_CHARACTERS = 8192
"""Four for each token of the default ``backbone.max_length_tokens``, as in English text."""


class TextLengths:
    """Counts samples whose question and answer together are long."""

    def __init__(self) -> None:
        self._first: tuple[str, str, int] | None = None
        self._count = 0

    def add(self, sample: Sample, *, where: str) -> None:
        """A sample, and the row that it came from."""
        answers = (sample.answer, *sample.choices)
        size = len(sample.full_prompt) + max(map(len, answers))
        if size > LONG_CHARACTERS:
            self._first = self._first or (where, sample.task, size)
            self._count += 1

    @property
    def problems(self) -> list[Problem]:
        """One warning, which names the first row."""
        if self._first is None:
            return []
        where, task, size = self._first
        more = f", and {self._count - 1} more row(s) are as long" if self._count > 1 else ""
        reason = (
            f"task '{task}': question and answer have {size:,} characters{more}; a run stops where "
            "they are more than backbone.max_length_tokens: --backbone MODEL measures them"
        )
        return [Problem(kind="length", where=where, reason=reason, severity="warning")]
