"""The score matrix: every domain's score before the stream and after each of its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transferlab.core.records import DomainScore
from transferlab.evaluation.records import summary_record
from transferlab.evaluation.summary import summarise
from transferlab.metrics.continual import plasticity, stability

PRETRAINED = "pretrained"
"""The name of row 0: before any adaptation."""


class ScoreMatrix:
    """Rows: before the stream, then after each step. Columns: the source, then the stream."""

    def __init__(self, stream: Sequence[str], *, source: str | None = None) -> None:
        """
        Args:
            stream: the domains in the order in which they are learned, at least one.
            source: what the backbone was pretrained on, where there is such a domain.

        Raises:
            ValueError: a name occurs twice, or a domain bears the name of row 0.
        """
        self.stream, self.source = tuple(stream), source
        self.rows = (PRETRAINED, *self.stream)
        self.columns = ((source,) if source else ()) + self.stream
        if not self.stream or len({PRETRAINED, *self.columns}) != 1 + len(self.columns):
            raise ValueError(f"domains must be distinct and not '{PRETRAINED}': {self.columns}")
        self._cells: dict[tuple[str, str], DomainScore] = {}

    def add(self, *, after: str, on: str, score: DomainScore) -> None:
        """Enter the score of domain ``on`` after domain ``after`` was learned.

        Raises:
            ValueError: no such row or column, the cell is taken, or the score is another domain's.
        """
        if after not in self.rows or on not in self.columns:
            raise ValueError(f"the matrix has no cell after '{after}' on '{on}'")
        if (after, on) in self._cells:
            raise ValueError(f"the score after '{after}' on '{on}' was entered before")
        if score.domain != on:
            raise ValueError(f"a score of '{score.domain}' was entered as one of '{on}'")
        self._cells[after, on] = score

    def cell(self, *, after: str, on: str) -> DomainScore:
        """
        Raises:
            ValueError: the score has not been entered.
        """
        if (after, on) not in self._cells:
            raise ValueError(f"the score after '{after}' on '{on}' is missing")
        return self._cells[after, on]

    def column(self, domain: str) -> list[DomainScore]:
        """The scores of one domain, row by row.

        Raises:
            ValueError: one of them has not been entered.
        """
        return [self.cell(after=row, on=domain) for row in self.rows]

    def to_records(self) -> dict[str, Any]:
        """The matrix as plain data, rows in the order of the stream: ``{"columns": [{"domain",
        "metric"}], "rows": [{"after", "values": {domain: score}, "metrics": {domain: metric}}]}``.

        A row's metric names the rule by which choices are answered (``evaluation.likelihood``),
        where that is not their sum; a column's is that of the last row.

        Raises:
            ValueError: a score is missing.
        """
        columns = {domain: self.column(domain) for domain in self.columns}
        return {
            "columns": [
                {"domain": domain, "metric": scores[-1].metric}
                for domain, scores in columns.items()
            ],
            "rows": [
                {
                    "after": row,
                    "values": {name: s[i].value for name, s in columns.items()},
                    "metrics": {name: s[i].metric for name, s in columns.items()},
                }
                for i, row in enumerate(self.rows)
            ],
        }

    def steps(self) -> list[dict[str, Any]]:
        """Per step ``{"domain", "plasticity", "stability"}`` (``metrics.continual``), plain data.

        Raises:
            ValueError: a score is missing.
        """
        values = [[one.value for one in self.column(name)] for name in self.stream]
        scores = list(zip(*values, strict=True))
        source = [one.value for one in self.column(self.source)] if self.source else None
        return [
            {"domain": domain, "plasticity": gained, "stability": lost}
            for domain, gained, lost in zip(
                self.stream, plasticity(scores), stability(scores, source), strict=True
            )
        ]

    def summary(
        self,
        *,
        halvings: int,
        confidence: float,
        seed: int,
        scratch: Mapping[str, DomainScore] | None = None,
    ) -> dict[str, dict[str, Any]]:
        """ACC, BWT, FWT, forgetting and source retention (``evaluation.summary``), as plain data.

        Args:
            halvings: of the test groups, for the corrected forgetting.
            confidence: of the intervals, in (0, 1).
            seed: of the halvings.
            scratch: the scratch arm's score of every stream domain, where that arm ran.

        Returns:
            By name ``{"value", "interval": [low, high] or None, "confidence", "interval_reason",
            "definition"}``.

        Raises:
            ValueError: a score is missing, or the scores of a column cannot be paired.
        """
        summaries = summarise(
            [self.column(name) for name in self.stream],
            self.column(self.source) if self.source else None,
            scratch=[scratch[name] for name in self.stream] if scratch else None,
            halvings=halvings,
            confidence=confidence,
            seed=seed,
        )
        return summary_record(summaries)
