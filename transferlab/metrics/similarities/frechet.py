"""Frechet distance of two Gaussians."""

from __future__ import annotations

import numpy as np

from transferlab.metrics.pool import Pool, similarity_measure


@similarity_measure()
def frechet(pool: Pool, splits: np.ndarray) -> np.ndarray:
    """Squared Frechet distance of two Gaussians (Dowson & Landau 1982; FID, Heusel et al. 2017).

    |m1 - m2|^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2)), in the squared unit of the features; >= 0 up to
    rounding. Taken on the principal components: covariances of a few hundred
    samples in hundreds of dimensions are singular. Biased upwards for few samples: read it against
    its permutations.
    """
    return np.array([_frechet_of(pool.reduced[split], pool.reduced[~split]) for split in splits])


def _frechet_of(first: np.ndarray, second: np.ndarray) -> float:
    shift = first.mean(axis=0) - second.mean(axis=0)
    one, two = first - first.mean(axis=0), second - second.mean(axis=0)
    cov_one, cov_two = one.T @ one / (len(one) - 1), two.T @ two / (len(two) - 1)
    # Tr (S1 S2)^(1/2) = Tr (S1^(1/2) S2 S1^(1/2))^(1/2): symmetric, so no complex square root.
    values, vectors = np.linalg.eigh(cov_one)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    cross = np.linalg.eigvalsh(root.T @ cov_two @ root)
    overlap = np.sqrt(np.clip(cross, 0, None)).sum()
    return float(shift @ shift + np.trace(cov_one) + np.trace(cov_two) - 2 * overlap)
