"""Proxy A-distance: how well a classifier tells two sets apart."""

from __future__ import annotations

import numpy as np

from transferlab.metrics.pool import Pool, similarity_measure

FOLDS = 5
RIDGE = 1.0


@similarity_measure()
def proxy_a_distance(pool: Pool, splits: np.ndarray) -> np.ndarray:
    """2 (1 - 2 err) of a linear classifier that tells the sets apart (Ben-David et al. 2007).

    err is the balanced error over 5 folds of least squares with a ridge on the principal
    components, thresholded halfway between the projected class means. 2: told apart without error;
    0: not at all; below 0: by chance worse than guessing. A unit is never in two folds.
    """
    rows = pool.reduced
    spread = rows.std(axis=0)
    scaled = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    names, unit = np.unique(pool.units, return_inverse=True)
    fold = (np.random.default_rng(pool.seed).permutation(len(names)) % FOLDS)[unit]
    target = np.where(splits, 1.0, -1.0).T
    wrong = np.zeros(target.shape)
    for held in range(FOLDS):
        out, inside = fold == held, fold != held
        wrong[out] = _misjudged(scaled[inside], target[inside], scaled[out], target[out])
    first = (wrong * (target > 0)).sum(axis=0) / (target > 0).sum(axis=0)
    second = (wrong * (target < 0)).sum(axis=0) / (target < 0).sum(axis=0)
    return 2 * (1 - (first + second))


def _misjudged(
    train: np.ndarray, target: np.ndarray, test: np.ndarray, expected: np.ndarray
) -> np.ndarray:
    """(n_test, P): 1 where the classifier of a split is wrong, 0.5 where it cannot tell."""
    centre = train.mean(axis=0)
    centred = train - centre
    gram = centred.T @ centred + RIDGE * np.eye(train.shape[1])
    weights = np.linalg.solve(gram, centred.T @ (target - target.mean(axis=0)))
    fitted, is_first = centred @ weights, target > 0
    mean_first = (fitted * is_first).sum(axis=0) / np.maximum(is_first.sum(axis=0), 1)
    mean_second = (fitted * ~is_first).sum(axis=0) / np.maximum((~is_first).sum(axis=0), 1)
    predicted = np.sign((test - centre) @ weights - (mean_first + mean_second) / 2)
    return np.where(predicted == 0, 0.5, (predicted != expected).astype(np.float64))
