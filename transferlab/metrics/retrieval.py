"""Finding a sample's own answer among all answers of its task: how high it came.

Candidates that score the same stand in an order that nobody knows. Every value here is its mean
over all orders of them (McSherry and Najork, "Computing information retrieval performance measures
efficiently in the presence of tied scores", ECIR 2008): a backbone that tells nothing apart then
gets exactly what chance gets, whatever the order of the answers in the data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from transferlab.core.records import AnswerRank


def rank_of(scores: np.ndarray, own: int) -> AnswerRank:
    """Where one candidate stands.

    Args:
        scores: (candidates,) float; higher is likelier. What is no number (a backbone that has
            diverged) is lowest.
        own: position of the sample's own answer.
    """
    scores = np.where(np.isnan(scores), -np.inf, scores)
    mine = scores[own]
    return AnswerRank(
        better=int((scores > mine).sum()),
        equal=int((scores == mine).sum()),
        candidates=len(scores),
    )


def recall_at(k: int) -> Callable[[AnswerRank], float]:
    """Recall at k of one sample, which has one right answer: whether that is among the first k.

    recall@k = P(rank <= k) = min(1, max(0, k - better) / equal), in [0, 1]. With one right answer
    it is the hit rate at k too (as "R@k" in Radford et al. 2021).
    """

    def recall(rank: AnswerRank) -> float:
        return min(1.0, max(0, k - rank.better) / rank.equal)

    return recall


def reciprocal_rank(rank: AnswerRank) -> float:
    """1 / rank of one sample, in (0, 1]; its mean over samples is MRR (Voorhees, TREC-8, 1999)."""
    ranks = np.arange(rank.better + 1, rank.better + rank.equal + 1)
    return float((1 / ranks).mean())


def mean_rank(rank: AnswerRank) -> float:
    """The rank of one sample, from 1; in the middle of those that score the same."""
    return rank.better + (rank.equal + 1) / 2


def weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The median of values each of which counts as often as its weight says.

    Args:
        values: (N,) float.
        weights: (B, N), 0 or more.

    Returns:
        (B,) float64: the mean of the lower and the upper median; NaN where all weights are zero.
    """
    if not len(values):
        return np.full(len(weights), np.nan)
    order = np.argsort(values, kind="stable")
    ordered, reached = values[order], np.cumsum(weights[:, order], axis=1)
    half = reached[:, -1:] / 2
    lower = ordered[(reached >= half).argmax(axis=1)]
    upper = ordered[(reached > half).argmax(axis=1)]
    return np.where(half[:, 0] > 0, (lower + upper) / 2, np.nan)


def chance(candidates: int) -> AnswerRank:
    """Where an answer stands for one who cannot tell ``candidates`` apart."""
    return AnswerRank(better=0, equal=candidates, candidates=candidates)


def distinct(answers: Sequence[str]) -> tuple[str, ...]:
    """The candidates: every answer once, in an order that the data do not decide."""
    return tuple(sorted(set(answers)))
