"""Distances between two sets of features, computed for many ways of splitting one pool at once.

``pool`` is (N, D) float64, both sets stacked. ``splits`` is (P, N) bool: in each row, True marks
the members of the first set. What does not depend on the split (kernel, projections, folds) is
computed once for all of them. Every set has at least two members. Functions return (P,) float64.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist, squareform

MAX_COMPONENTS = 64
PROJECTIONS = 64
FOLDS = 5
RIDGE = 1.0
ROUNDING = float(np.finfo(np.float32).eps)
"""Features are float32: relative differences of this size are noise, whatever is built on them."""


def principal_components(pool: np.ndarray, *, components: int = MAX_COMPONENTS) -> np.ndarray:
    """Project on the pool's leading principal components.

    Covariances of a few hundred samples in hundreds of dimensions are singular; the components are
    those of both sets together, so they favour neither and stay the same for every split.

    Returns:
        (N, k) float64, k <= ``components``, k < N; constant directions are left out, so k may be 0.
    """
    centred = pool - pool.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    kept = int(min(components, (scale > np.linalg.norm(pool) * ROUNDING).sum()))
    return left[:, :kept] * scale[:kept]


def frechet(pool: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Squared Frechet distance of two Gaussians (Dowson & Landau 1982; FID, Heusel et al. 2017).

    |m1 - m2|^2 + Tr(S1 + S2 - 2 (S1 S2)^(1/2)), in the squared unit of the features; >= 0 up to
    rounding. Biased upwards for few samples: read it against its permutations.
    """
    return np.array([_frechet_of(pool[split], pool[~split]) for split in splits])


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


def mmd(pool: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Squared maximum mean discrepancy, unbiased (Gretton et al. 2012), in [-1, 2].

    Kernel exp(-d^2 / (2 h^2)) with h the median distance between distinct points of the pool. Can
    be slightly negative where the sets agree.
    """
    squared = pdist(pool, "sqeuclidean")
    row_length = np.linalg.norm(pool) / np.sqrt(len(pool))
    apart = squared[squared > (8 * ROUNDING * row_length) ** 2]
    if not len(apart):
        return np.zeros(len(splits))
    kernel = squareform(np.exp(-squared / (2 * np.median(apart))))  # the diagonal stays 0
    member = splits.astype(np.float64)
    first, second = member.sum(axis=1), (1 - member).sum(axis=1)
    seen = member @ kernel
    within_first = (seen * member).sum(axis=1)
    across = (seen * (1 - member)).sum(axis=1)
    within_second = kernel.sum() - within_first - 2 * across
    return (
        within_first / (first * (first - 1))
        + within_second / (second * (second - 1))
        - 2 * across / (first * second)
    )


def proxy_a_distance(
    pool: np.ndarray, splits: np.ndarray, *, units: np.ndarray, seed: int
) -> np.ndarray:
    """2 (1 - 2 err) of a linear classifier that tells the sets apart (Ben-David et al. 2007).

    err is the balanced error over 5 folds of least squares with a ridge, thresholded halfway
    between the projected class means. 2: told apart without error; 0: not at all; below 0: by
    chance worse than guessing.

    Args:
        pool: see the module.
        splits: see the module.
        units: (N,), equal for samples that must not be on both sides of a fold.
        seed: deals units into folds.
    """
    spread = pool.std(axis=0)
    scaled = (pool - pool.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    names, unit = np.unique(units, return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(len(names)) % FOLDS)[unit]
    target = np.where(splits, 1.0, -1.0).T
    wrong = np.zeros(target.shape)
    for held in range(FOLDS):
        out, kept = fold == held, fold != held
        wrong[out] = _misjudged(scaled[kept], target[kept], scaled[out], target[out])
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
    side = np.sign((test - centre) @ weights - (mean_first + mean_second) / 2)
    return np.where(side == 0, 0.5, (side != expected).astype(np.float64))


def sliced_wasserstein(pool: np.ndarray, splits: np.ndarray, *, seed: int) -> np.ndarray:
    """Mean 1-Wasserstein distance over 64 random directions (Rabin et al. 2012), >= 0.

    In the unit of the features.
    """
    directions = np.random.default_rng(seed).standard_normal((pool.shape[1], PROJECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    projected = pool @ directions
    order = np.argsort(projected, axis=0)
    gaps = np.diff(np.take_along_axis(projected, order, axis=0), axis=0)
    distances = np.empty(len(splits))
    for row, split in enumerate(splits):
        # W1 in one dimension is the area between the two distribution functions.
        mass = np.where(split, 1 / split.sum(), -1 / (~split).sum())
        between = np.abs(np.cumsum(mass[order], axis=0)[:-1])
        distances[row] = (between * gaps).sum(axis=0).mean()
    return distances


def jensen_shannon(counts: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence between the sets' word distributions, base 2, in [0, 1].

    Args:
        counts: (N, V), how often each word occurs in each text; each set has at least one word.
        splits: see the module.

    Returns:
        (P,): 0 for equal distributions, 1 for sets without a common word.
    """
    first = splits.astype(np.float64) @ counts
    second = counts.sum(axis=0) - first
    p = first / first.sum(axis=1, keepdims=True)
    q = second / second.sum(axis=1, keepdims=True)
    middle = (p + q) / 2
    return (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2


def _relative_entropy(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return (p * np.log2(ratio)).sum(axis=1)


def linear_cka(first: np.ndarray, second: np.ndarray) -> float:
    """Linear centred kernel alignment of paired features (Kornblith et al. 2019), in [0, 1].

    Args:
        first: (N, D1) features of N samples.
        second: (N, D2) features of the same samples in the same order, e.g. after adaptation.

    Returns:
        1 where one is a rotation and scaling of the other.

    Raises:
        ValueError: the numbers of rows differ, or one of the two does not vary.
    """
    if len(first) != len(second):
        raise ValueError(f"linear CKA needs paired rows, got {len(first)} and {len(second)}")
    one, two = first - first.mean(axis=0), second - second.mean(axis=0)
    scale = np.linalg.norm(one @ one.T) * np.linalg.norm(two @ two.T)
    if scale == 0:
        raise ValueError("linear CKA is undefined for features that do not vary")
    return float(np.linalg.norm(two.T @ one) ** 2 / scale)
