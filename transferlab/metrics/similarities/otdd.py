"""Optimal transport dataset distance."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from transferlab.metrics.pool import Pool, similarity_measure

MOST_PIVOTS = 10_000_000


@similarity_measure(labels=True)
def otdd(pool: Pool, splits: np.ndarray) -> np.ndarray:
    """OTDD with labels as Gaussians (Alvarez-Melis & Fusi 2020), >= 0.

    The least mean cost of moving one set onto the other, where moving (x, y) to (x', y') costs
    |x - x'|^2 plus the squared Frechet distance of the Gaussians of all x with y in the one set and
    all with y' in the other: in the squared unit of the features. No label needs to be in both
    sets. A label of one sample is a point; what has no label is a label of its own. On the
    principal components. Biased upwards for few samples: read it against its permutations.
    """
    rows, labels = pool.reduced, pool.labels
    assert labels is not None, "the measure says that it needs labels"
    if not rows.shape[1]:
        return np.zeros(len(splits))
    squared = cdist(rows, rows, "sqeuclidean")
    return np.array([_otdd_of(rows, labels, squared, split) for split in splits])


def _otdd_of(rows: np.ndarray, labels: np.ndarray, squared: np.ndarray, split: np.ndarray) -> float:
    from ot.lp import emd2  # seconds to import, so only where it is needed

    sides = [np.flatnonzero(split), np.flatnonzero(~split)]
    codes = [np.unique(labels[side], return_inverse=True)[1] for side in sides]
    first, second = (_gaussians(rows[side], code) for side, code in zip(sides, codes, strict=True))
    cost = squared[np.ix_(*sides)] + _between_labels(first, second)[np.ix_(*codes)]
    mass = [np.full(len(side), 1 / len(side)) for side in sides]
    value, log = emd2(*mass, cost, numItermax=MOST_PIVOTS, log=True)
    assert log["warning"] is None, log["warning"]
    return float(value)


Gaussians = tuple[np.ndarray, np.ndarray]
"""(C, k) means and (C, r, k) roots, whose R^T R is the covariance."""


def _gaussians(rows: np.ndarray, codes: np.ndarray) -> Gaussians:
    counts = np.bincount(codes)
    means = np.stack([rows[codes == code].mean(axis=0) for code in range(len(counts))])
    roots = np.zeros((len(counts), counts.max(), rows.shape[1]))
    for code, count in enumerate(counts):
        centred = rows[codes == code] - means[code]
        roots[code, :count] = centred / np.sqrt(max(count - 1, 1))
    if roots.shape[1] > roots.shape[2]:
        roots = np.asarray(np.linalg.qr(roots, mode="r"))
    return means, roots


def _between_labels(first: Gaussians, second: Gaussians) -> np.ndarray:
    """(C1, C2) squared 2-Wasserstein (Frechet) distances."""
    spread = [(roots**2).sum(axis=(1, 2)) for _, roots in (first, second)]
    # Tr (S1^(1/2) S2 S1^(1/2))^(1/2) is the sum of the singular values of R1 R2^T, which is small
    # where labels have few samples.
    cross = np.einsum("aik,bjk->abij", first[1], second[1], optimize=True)
    overlap = np.linalg.svd(cross, compute_uv=False).sum(axis=2)
    gaps = spread[0][:, None] + spread[1] - 2 * overlap
    return cdist(first[0], second[0], "sqeuclidean") + np.maximum(gaps, 0)
