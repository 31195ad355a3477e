"""A score matrix in five numbers, each with its interval and its definition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from transferlab.core.records import DomainScore
from transferlab.metrics.bootstrap import Interval, percentile_interval, resample
from transferlab.metrics.continual import (
    average_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
    source_retention,
)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One number over the matrix. The definition travels with it."""

    value: float | None
    """In the unit of the scores; None where the stream or the pipeline does not define it."""
    interval: Interval | None
    """Bootstrap over test groups; None without a value, or where a domain has too few groups."""
    definition: str


ACC = "ACC = mean over the stream's domains of their score after the last step"
BWT = (
    "BWT = mean over all domains but the last of (score after the last step - score right after "
    "the domain was learned); negative means forgetting"
)
FWT = (
    "FWT = mean over all domains but the first of (score just before the domain is learned - "
    "{reference})"
)
FORGETTING = (
    "forgetting = mean over all domains but the last of (best score before the last step, that of "
    "the pretrained backbone included - score after the last step)"
)
RETENTION = (
    "source retention = score of the source domain after the last step - its score before the first"
)
OVER_SCRATCH = "score of the scratch arm: random initialisation, trained on the domain"
OVER_ZERO_SHOT = "zero-shot score of the pretrained backbone"
TOO_SHORT = "not defined: the stream has one domain only"
NO_SOURCE = "not defined: the pipeline names no source domain"


def summarise(
    stream: Sequence[Sequence[DomainScore]],
    source: Sequence[DomainScore] | None,
    *,
    scratch: Sequence[DomainScore] | None,
    draws: int,
    confidence: float,
    seed: int,
) -> dict[str, Summary]:
    """ACC, BWT, FWT, forgetting and source retention of a score matrix.

    For the intervals test groups are drawn, the same down a column and independently between
    domains: they cover the choice of test groups, not of training seeds. Forgetting takes a maximum
    over rows, so its draws lie a little above its value.

    Args:
        stream: T columns of T + 1 scores, see ``metrics.continual``.
        source: the source's column of T + 1 scores, where there is a source.
        scratch: T scores of the scratch arm, where that arm ran: FWT's reference. Without it FWT is
            taken over the zero-shot scores. Either way it says so.
        draws: bootstrap draws.
        confidence: of the intervals, in (0, 1).
        seed: of the draws.

    Returns:
        By the keys acc, bwt, fwt, forgetting, source_retention.

    Raises:
        ValueError: the columns are of the wrong length, or scores in one cannot be paired.
    """
    last = scratch or [column[0] for column in stream]
    fwt = FWT.format(reference=OVER_SCRATCH if scratch else OVER_ZERO_SHOT)
    # The references ride along as one more row, so that they see the same draws.
    rows = _Cells.of(
        [[*column, one] for column, one in zip(stream, last, strict=True)], draws=draws, seed=seed
    )
    found = {"acc": rows.summary(lambda r: average_accuracy(r[:-1]), ACC, confidence)}
    if len(stream) > 1:
        found |= {
            "bwt": rows.summary(lambda r: backward_transfer(r[:-1]), BWT, confidence),
            "fwt": rows.summary(lambda r: forward_transfer(r[:-1], r[-1]), fwt, confidence),
            "forgetting": rows.summary(lambda r: forgetting(r[:-1]), FORGETTING, confidence),
        }
    else:
        short = {"bwt": BWT, "fwt": fwt, "forgetting": FORGETTING}
        found |= {name: _undefined(text, TOO_SHORT) for name, text in short.items()}
    if source is None:
        return found | {"source_retention": _undefined(RETENTION, NO_SOURCE)}
    kept = _Cells.of([source], draws=draws, seed=seed)
    retention = kept.summary(lambda r: source_retention(r[:, 0]), RETENTION, confidence)
    return found | {"source_retention": retention}


@dataclass(frozen=True, kw_only=True)
class _Cells:
    """Scores of R rows by C domains, as measured and as drawn."""

    values: np.ndarray
    """(R, C)."""
    drawn: np.ndarray
    """(R, C, B)."""

    @classmethod
    def of(cls, columns: Sequence[Sequence[DomainScore]], *, draws: int, seed: int) -> _Cells:
        values = [[score.value for score in column] for column in columns]
        drawn = [resample(column, draws=draws, seed=seed) for column in columns]
        return cls(values=np.stack(values, axis=1), drawn=np.stack(drawn, axis=1))

    def summary(
        self,
        number_of: Callable[[np.ndarray], float | np.ndarray],
        definition: str,
        confidence: float,
    ) -> Summary:
        return Summary(
            value=float(number_of(self.values)),
            interval=percentile_interval(np.asarray(number_of(self.drawn)), confidence),
            definition=definition,
        )


def _undefined(definition: str, reason: str) -> Summary:
    return Summary(value=None, interval=None, definition=f"{definition}; {reason}")
