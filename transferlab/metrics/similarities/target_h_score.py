"""H-score of a domain's features and labels."""

from __future__ import annotations

import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage

from transferlab.metrics.baselines.label_measures import label_measure


@label_measure()
def target_h_score(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Tr(S_a^-1 (1 - a) S_between), in [0, K - 1] for K labels (Ibrahim et al. 2022).

    S_a = (1 - a) S + a Tr(S)/D I with S the covariance of the features and a Ledoit and Wolf's
    shrinkage; S_between is the covariance of the labels' mean features, each as often as it occurs.
    With a = 0 it is the H-score of Bao et al. (2019), the summed squared canonical correlations of
    features and labels, which is K - 1 for any labels where features are more than samples.
    """
    shrinkage = ledoit_wolf_shrinkage(rows)
    centred = rows - rows.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    spread = scale**2 / len(rows)
    shrunk = (1 - shrinkage) * spread + shrinkage * spread.sum() / rows.shape[1]
    inside = scale > scale[0] * 1e-12  # outside the span of the samples no means differ
    scores = (left * scale)[:, inside]
    between = np.stack([_between(scores, one) for one in labels])
    return (1 - shrinkage) * (between / shrunk[inside]).sum(axis=1)


def _between(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(k,): the variance of the labels' means along each of k centred scores."""
    member = labels == np.arange(labels.max() + 1)[:, None]
    counts = member.sum(axis=1, keepdims=True)
    means = member @ scores / np.maximum(counts, 1)
    return (counts * means**2).sum(axis=0) / len(labels)
