"""Sliced Wasserstein distance."""

from __future__ import annotations

import numpy as np

from transferlab.metrics.pool import Pool, similarity_measure

PROJECTIONS = 64


@similarity_measure()
def sliced_wasserstein(pool: Pool, splits: np.ndarray) -> np.ndarray:
    """Mean 1-Wasserstein distance over 64 random directions (Rabin et al. 2012), >= 0.

    In the unit of the features.
    """
    directions = np.random.default_rng(pool.seed).standard_normal((pool.rows.shape[1], PROJECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    projected = pool.rows @ directions
    order = np.argsort(projected, axis=0)
    gaps = np.diff(np.take_along_axis(projected, order, axis=0), axis=0)
    distances = np.empty(len(splits))
    for row, split in enumerate(splits):
        # W1 in one dimension is the area between the two distribution functions.
        mass = np.where(split, 1 / split.sum(), -1 / (~split).sum())
        between = np.abs(np.cumsum(mass[order], axis=0)[:-1])
        distances[row] = (between * gaps).sum(axis=0).mean()
    return distances
