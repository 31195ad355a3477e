"""A score matrix in seven numbers, each with its interval and its definition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transferlab.core.records import DomainScore
from transferlab.metrics.continual import (
    average_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
    source_retention,
)
from transferlab.metrics.forgetting import corrected_forgetting
from transferlab.metrics.groups import GroupValues, group_values
from transferlab.metrics.intervals import (
    DIFFERENCE,
    SCORE,
    GroupMean,
    Interval,
    interval_of_mean,
)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One number over the matrix. The definition travels with it."""

    value: float | None
    """In the unit of the scores; None where the stream or the pipeline does not define it."""
    interval: Interval | None
    """Over test groups; None without a value, or where a domain has too few groups."""
    definition: str
    reason: str = ""
    """Why there is no interval; empty where there is one."""


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
    "forgetting (Chaudhry et al. 2018) = mean over all domains but the last of (best score before "
    "the last step, that of the pretrained backbone included - score after the last step); the "
    "best of several noisy scores is biased upwards: read forgetting_corrected"
)
CORRECTED = (
    "forgetting, corrected = the same mean with the best row chosen on one half of the test groups "
    "and measured on the other, both ways, over random halvings"
)
RETENTION = (
    "source retention = score of the source domain after the last step - its score before the first"
)
OVER_SCRATCH = "score of the scratch arm: random initialisation, trained on the domain"
OVER_ZERO_SHOT = "zero-shot score of the pretrained backbone"
TOO_SHORT = "not defined: the stream has one domain only"
NO_SCRATCH = "not defined: the scratch arm did not run"
NO_SOURCE = "not defined: the pipeline names no source domain"


def summarise(
    stream: Sequence[Sequence[DomainScore]],
    source: Sequence[DomainScore] | None,
    *,
    scratch: Sequence[DomainScore] | None,
    halvings: int,
    confidence: float,
    seed: int,
) -> dict[str, Summary]:
    """ACC, BWT, FWT, forgetting, corrected and as it is, and source retention of a score matrix.

    Intervals are over test groups, paired down a column and independent between domains: they
    cover the choice of test groups, not of training seeds. Both numbers of forgetting estimate the
    same thing and have the same interval.

    Args:
        stream: T columns of T + 1 scores, see ``metrics.continual``.
        source: the source's column of T + 1 scores, where there is a source.
        scratch: T scores of the scratch arm; None where that arm did not run.
        halvings: of the test groups, for the corrected forgetting.
        confidence: of the intervals, in (0, 1).
        seed: of the halvings.

    Returns:
        By the keys acc, bwt, fwt_over_zero_shot, fwt_over_scratch, forgetting_corrected,
        forgetting, source_retention.

    Raises:
        ValueError: the columns are of the wrong length, or scores in one cannot be paired.
    """
    # Zero-shot, and scratch where it ran: they ride along as last rows, paired with the others.
    references = [[column[0] for column in stream], *([scratch] if scratch else [])]
    scores = np.array([[score.value for score in column] for column in stream]).T
    groups = [
        group_values([*column, *ones]) for column, *ones in zip(stream, *references, strict=True)
    ]
    last = len(stream)
    found = {
        "acc": _mean_of(
            average_accuracy(scores), ACC, [(g, last, None) for g in groups], confidence
        )
    }
    if len(stream) > 1:
        since = [(one, last, at + 1) for at, one in enumerate(groups[:-1])]
        found |= {
            "bwt": _mean_of(backward_transfer(scores), BWT, since, confidence),
            **_forward(scores, references, groups, confidence),
            **_forgetting(scores, groups[:-1], halvings, confidence, seed),
        }
    else:
        short = {
            "bwt": BWT,
            "fwt_over_zero_shot": FWT.format(reference=OVER_ZERO_SHOT),
            "fwt_over_scratch": FWT.format(reference=OVER_SCRATCH),
            "forgetting_corrected": CORRECTED,
            "forgetting": FORGETTING,
        }
        found |= {name: _undefined(text, TOO_SHORT) for name, text in short.items()}
    if source is None:
        return found | {"source_retention": _undefined(RETENTION, NO_SOURCE)}
    retention = source_retention([score.value for score in source])
    retention_figure = _mean_of(retention, RETENTION, [(group_values(source), -1, 0)], confidence)
    return found | {"source_retention": retention_figure}


_Part = tuple[GroupValues, int, int | None]
"""A domain's scores, the row that counts, and the row that is taken from it, if any."""


def _mean_of(
    value: float | np.ndarray, definition: str, parts: Sequence[_Part], confidence: float
) -> Summary:
    """A number that is the mean over domains of a score, or of a difference between two."""
    reason = _first_reason([groups for groups, *_ in parts])
    means = [
        GroupMean(
            by_group=groups.table[row] - (0.0 if minus is None else groups.table[minus]),
            degrees=groups.degrees,
            limits=SCORE if minus is None else DIFFERENCE,
        )
        for groups, row, minus in parts
        if not reason
    ]
    return Summary(
        value=float(value),
        interval=None if reason else interval_of_mean(means, confidence),
        definition=definition,
        reason=reason,
    )


def _forward(
    scores: np.ndarray,
    references: Sequence[Sequence[DomainScore]],
    groups: Sequence[GroupValues],
    confidence: float,
) -> dict[str, Summary]:
    """FWT over each reference; the groups' last rows are theirs, in the same order."""
    found = {}
    for at, name in enumerate(("zero_shot", "scratch")):
        definition = FWT.format(reference=OVER_ZERO_SHOT if name == "zero_shot" else OVER_SCRATCH)
        if at == len(references):
            found[f"fwt_over_{name}"] = _undefined(definition, NO_SCRATCH)
            continue
        value = forward_transfer(scores, [one.value for one in references[at]])
        ahead = [(one, row, len(scores) + at) for row, one in enumerate(groups) if row]
        found[f"fwt_over_{name}"] = _mean_of(value, definition, ahead, confidence)
    return found


def _forgetting(
    scores: np.ndarray,
    groups: Sequence[GroupValues],
    halvings: int,
    confidence: float,
    seed: int,
) -> dict[str, Summary]:
    """Both numbers of forgetting, over the domains whose groups are given."""
    plain = float(forgetting(scores))
    reason = _first_reason(groups)
    if reason:
        return {
            "forgetting_corrected": _undefined(CORRECTED, f"not defined: {reason}"),
            "forgetting": Summary(value=plain, interval=None, definition=FORGETTING, reason=reason),
        }
    # The rows of the references are no steps of the stream.
    rows = [GroupValues(table=one.table[: len(scores)], degrees=one.degrees) for one in groups]
    fitted = corrected_forgetting(rows, halvings=halvings, confidence=confidence, seed=seed)
    return {
        "forgetting_corrected": Summary(
            value=fitted.value, interval=fitted.interval, definition=CORRECTED
        ),
        "forgetting": Summary(value=plain, interval=fitted.interval, definition=FORGETTING),
    }


def _first_reason(groups: Sequence[GroupValues]) -> str:
    return next((one.reason for one in groups if one.reason), "")


def _undefined(definition: str, reason: str) -> Summary:
    return Summary(value=None, interval=None, definition=f"{definition}; {reason}", reason=reason)
