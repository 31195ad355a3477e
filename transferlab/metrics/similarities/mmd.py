"""Maximum mean discrepancy."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist, squareform

from transferlab.metrics.pool import ROUNDING, Pool, similarity_measure


@similarity_measure()
def mmd(pool: Pool, splits: np.ndarray) -> np.ndarray:
    """Squared maximum mean discrepancy, unbiased (Gretton et al. 2012), in [-1, 2].

    Kernel exp(-d^2 / (2 h^2)) with h the median distance between distinct points of the pool. Can
    be slightly negative where the sets agree.
    """
    squared = pdist(pool.rows, "sqeuclidean")
    row_length = np.linalg.norm(pool.rows) / np.sqrt(len(pool.rows))
    nonzero = squared[squared > (8 * ROUNDING * row_length) ** 2]
    if not len(nonzero):
        return np.zeros(len(splits))
    kernel = squareform(np.exp(-squared / (2 * np.median(nonzero))))  # the diagonal stays 0
    member = splits.astype(np.float64)
    first, second = member.sum(axis=1), (1 - member).sum(axis=1)
    sums = member @ kernel
    within_first = (sums * member).sum(axis=1)
    across = (sums * (1 - member)).sum(axis=1)
    within_second = kernel.sum() - within_first - 2 * across
    return (
        within_first / (first * (first - 1))
        + within_second / (second * (second - 1))
        - 2 * across / (first * second)
    )
