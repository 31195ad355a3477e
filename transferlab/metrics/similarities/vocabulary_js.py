"""Jensen-Shannon divergence of vocabularies."""

from __future__ import annotations

import numpy as np

from transferlab.metrics.pool import WORDS, Pool, similarity_measure


@similarity_measure(pools=(WORDS,))
def vocabulary_js(pool: Pool, splits: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence between the sets' word distributions, base 2, in [0, 1].

    The pool's rows are (N, V), how often each word occurs in each text; each set has at least one
    word. 0 for equal distributions, 1 for sets without a common word.
    """
    counts = pool.rows
    first = splits.astype(np.float64) @ counts
    second = counts.sum(axis=0) - first
    p = first / first.sum(axis=1, keepdims=True)
    q = second / second.sum(axis=1, keepdims=True)
    middle = (p + q) / 2
    return (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2


def _relative_entropy(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return (p * np.log2(ratio)).sum(axis=1)
