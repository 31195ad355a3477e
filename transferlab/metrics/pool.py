"""Two sets of samples as one pool, and what a similarity measure is.

A measure is a function of a pool and of ways to split it: the real one, and random ones that say
what "no difference" looks like. What does not depend on the split (kernel, projections, folds) is
computed once for all of them. Ours are the files of ``metrics/similarities``; a third party's is
named by an entry point of the group ``transferlab.similarities`` or by its dotted path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from transferlab.core.registry import Registry, modules_of

FeatureKind = Literal["image", "text", "joint"]
FEATURE_KINDS: tuple[FeatureKind, ...] = ("image", "text", "joint")
WORDS = "words"
"""The pool whose rows count the words of each sample's text."""
MAX_COMPONENTS = 64
ROUNDING = float(np.finfo(np.float32).eps)
"""Features are float32: relative differences of this size are noise, whatever is built on them."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Samples of two sets, the source's first; each set has at least two."""

    rows: np.ndarray
    """(N, D) float64: features, or counts of words."""
    units: np.ndarray
    """(N,) int64: equal for samples that must stay together; never shared by the two sets."""
    sizes: tuple[int, int]
    """How many samples each set has."""
    seed: int = 0
    """Of folds and projections."""
    labels: np.ndarray | None = None
    """(N,) int64: equal for samples with the same answer to the same task, -1 where the answer is
    no label; None where nobody said."""

    @cached_property
    def reduced(self) -> np.ndarray:
        """(N, k) float64: the rows on their leading principal components, k <= 64."""
        return principal_components(self.rows)

    def splits(self, permutations: int) -> np.ndarray:
        """(1 + permutations, N) bool: the real split, then units dealt out anew, as many to each
        side as it really has."""
        real = np.arange(len(self.rows)) < self.sizes[0]
        names, first = np.unique(self.units, return_index=True)
        member = real[first]
        rng = np.random.default_rng(self.seed)
        position = np.searchsorted(names, self.units)
        return np.stack([real, *(rng.permutation(member)[position] for _ in range(permutations))])


Measure = Callable[[Pool, np.ndarray], np.ndarray]
"""A pool, and (P, N) bool splits whose True marks the first set, to (P,) float64 values."""


@dataclass(frozen=True, kw_only=True)
class MeasureFacts:
    """What must be known of a measure before it is called."""

    pools: tuple[str, ...]
    """The kinds of pools it is for: image, text, joint; or words."""
    labels: bool = False
    """It needs labels, and is left out where there are none."""
    of: Literal["pair", "target"] = "pair"
    """Whether it is of two sets, or of the target alone (``baselines/label_measures.py``)."""


def similarity_measure(
    *, pools: tuple[str, ...] = FEATURE_KINDS, labels: bool = False
) -> Callable[[Measure], Measure]:
    """Say what a measure is for; see ``MeasureFacts``."""

    def noted(measure: Measure) -> Measure:
        measure.facts = MeasureFacts(pools=pools, labels=labels)  # type: ignore[attr-defined]
        return measure

    return noted


def facts_of(measure: Measure) -> MeasureFacts:
    """Those that ``similarity_measure`` noted; of a plain function, those of any features."""
    return getattr(measure, "facts", MeasureFacts(pools=FEATURE_KINDS))


SIMILARITIES = Registry(
    "similarity measure",
    modules_of("transferlab.metrics.similarities"),
    group="transferlab.similarities",
)
"""Functions of type ``Measure``, and those of the target alone, ``LabelMeasure``."""


def principal_components(pool: np.ndarray, *, components: int = MAX_COMPONENTS) -> np.ndarray:
    """Project on the pool's leading principal components.

    Covariances of a few hundred samples in hundreds of dimensions are singular; the components are
    those of both sets together, so they favour neither and stay the same for every split.

    Returns:
        (N, k) float64, k <= ``components``, k < N; constant directions are left out, so k may be 0.
    """
    centred = pool - pool.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    rank = int(min(components, (scale > np.linalg.norm(pool) * ROUNDING).sum()))
    return left[:, :rank] * scale[:rank]
