"""Log maximum evidence of a domain's labels given its features."""

from __future__ import annotations

import numpy as np

from transferlab.metrics.baselines.label_measures import label_measure
from transferlab.metrics.pool import ROUNDING

DECADES = 10.0
"""The ratio of precisions is sought so far around the largest squared singular value, which keeps
the evidence of labels that are fitted exactly finite."""
COARSE, FINE, ROUNDS = 81, 17, 5


@label_measure()
def target_logme(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """LogME (You et al. 2021): mean over labels of log p(y | rows) / n; higher is better.

    y is 1 where a sample has the label and 0 elsewhere, linear in the features with Gaussian
    weights of precision alpha and noise of precision beta, both where the evidence is largest.
    Domains with other labels, or other shares of them, have another zero: compare each with its
    shuffles.
    """
    left, scale, _ = np.linalg.svd(rows, full_matrices=False)
    kept = scale > np.linalg.norm(rows) * ROUNDING
    left, squared = left[:, kept], scale[kept] ** 2
    values = np.empty(len(labels))
    for at, one in enumerate(labels):
        y = (one == np.arange(labels.max() + 1)[:, None]).astype(np.float64)
        along = (y @ left) ** 2
        total = y.sum(axis=1)
        rest = np.maximum(total - along.sum(axis=1), ROUNDING**2 * total)
        values[at] = _largest_evidence(along, rest, squared, len(rows)).mean() / len(rows)
    return values


def _largest_evidence(
    along: np.ndarray, rest: np.ndarray, squared: np.ndarray, n: int
) -> np.ndarray:
    """(K,): the log evidence at the best precisions.

    Given t = alpha / beta the best beta has a closed form, so that only t is searched: on a grid,
    since there may be two maxima, and on ever finer ones around its best point.

    Args:
        along: (K, r) squared lengths of y along the features' left singular vectors.
        rest: (K,) squared length of y outside of them.
        squared: (r,) squared singular values.
    """
    points = np.linspace(-DECADES, DECADES, COARSE) * np.log(10) + np.log(squared.max())
    grid = np.broadcast_to(points, (len(along), COARSE))
    for _ in range(ROUNDS):
        evidence = _evidence(np.exp(grid), along, rest, squared, n)
        best = np.clip(evidence.argmax(axis=1), 1, grid.shape[1] - 2)[:, None]
        low, high = (np.take_along_axis(grid, best + step, axis=1) for step in (-1, 1))
        grid = low + (high - low) * np.linspace(0, 1, FINE)
    return _evidence(np.exp(grid), along, rest, squared, n).max(axis=1)


def _evidence(
    t: np.ndarray, along: np.ndarray, rest: np.ndarray, squared: np.ndarray, n: int
) -> np.ndarray:
    """(K, G) log evidence at (K, G) ratios t.

    y is normal with covariance (I + F F^T / t) / beta, and beta = n / (y^T (I + F F^T / t)^-1 y).
    """
    shrunk = t[:, :, None] / (t[:, :, None] + squared)
    residual = rest[:, None] + (shrunk * along[:, None, :]).sum(axis=2)
    log_determinant = -np.log(shrunk).sum(axis=2)
    return -n / 2 * (1 + np.log(2 * np.pi * residual / n)) - log_determinant / 2
