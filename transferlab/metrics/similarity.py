"""How similar a source and a target are, each measure beside what random splits would give."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from transferlab.core.records import Features
from transferlab.metrics.distances import (
    frechet,
    jensen_shannon,
    linear_cka,
    mmd,
    principal_components,
    proxy_a_distance,
    sliced_wasserstein,
)

FeatureKind = Literal["image", "text", "joint"]
FEATURE_KINDS: tuple[FeatureKind, ...] = ("image", "text", "joint")
MIN_SAMPLES = 10
"""Of each set; with fewer, no measure is given."""


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """One measure between two sets of samples, and its permutation baseline."""

    name: str
    """frechet, mmd, proxy_a_distance, sliced_wasserstein, vocabulary_js, linear_cka."""
    features: str
    """image, text or joint; "words" for the vocabulary."""
    value: float
    """All but linear_cka are distances: higher means less similar."""
    baseline_mean: float
    """Mean over random splits of the pooled groups: what "no difference" looks like."""
    baseline_std: float
    p_value: float
    """(1 + permutations at or above the value) / (1 + permutations), in (0, 1]."""
    permutations: int
    source_samples: int
    """How many of the source's samples were compared: those with media, for image features."""
    target_samples: int


def compare(
    source: Features,
    target: Features,
    *,
    seed: int,
    permutations: int,
    source_texts: Sequence[str] = (),
    target_texts: Sequence[str] = (),
    source_groups: Sequence[str] = (),
    target_groups: Sequence[str] = (),
) -> list[Similarity]:
    """Every distance on every kind of features, and on the words where texts are given.

    Frechet distance and proxy A-distance are taken on the first 64 principal components of the
    pooled features, MMD and sliced Wasserstein on the features as they are. A kind of which either
    side has fewer than ``MIN_SAMPLES`` samples (images of a text-only domain) or one group only has
    no entry.

    Args:
        source: (N, D) features of each kind.
        target: (M, D) features of each kind, from the same backbone.
        seed: of permutations, folds and projections.
        permutations: random splits per measure, >= 1.
        source_texts: N texts; give both or neither.
        target_texts: M texts.
        source_groups: N group ids. Samples of one group (questions about one picture, pictures of
            one patient) go to the same side of a random split and to the same fold; otherwise near
            duplicates make any two sets look different. Empty: each sample stands for itself.
        target_groups: M group ids.

    Raises:
        ValueError: the two are of different width, ``permutations`` < 1, or there is not one text
            or group per sample.
    """
    if permutations < 1:
        raise ValueError(f"a baseline needs at least 1 permutation, got {permutations}")
    units = _units("source", source, source_groups), _units("target", target, target_groups)
    found: list[Similarity] = []
    for kind in FEATURE_KINDS:
        rows = [np.asarray(getattr(side, kind), np.float64) for side in (source, target)]
        if rows[0].shape[1] != rows[1].shape[1]:
            raise ValueError(
                f"{kind} features of width {rows[0].shape[1]} and {rows[1].shape[1]} come from "
                "different backbones and cannot be compared"
            )
        pool = _pooled(rows, units, drop_empty=kind == "image")
        if pool is not None:
            found += _compare_features(kind, pool, permutations=permutations, seed=seed)
    if source_texts or target_texts:
        if (len(source_texts), len(target_texts)) != (len(source.text), len(target.text)):
            raise ValueError(
                f"{len(source_texts)} and {len(target_texts)} texts given for "
                f"{len(source.text)} and {len(target.text)} samples"
            )
        pool = _pooled(_word_counts(source_texts, target_texts), units, drop_empty=True)
        if pool is not None:
            values = jensen_shannon(pool.rows, pool.splits(permutations, seed))
            found.append(_measured("vocabulary_js", "words", values, pool.sizes))
    return found


def compare_paired(
    first: Features, second: Features, *, seed: int, permutations: int
) -> list[Similarity]:
    """Linear CKA between two backbones' features of the same samples, in the same order.

    The baseline shuffles one side's rows. Here higher means more similar, so a small ``p_value``
    says that the two agree more than unrelated features would. Samples without media have no image
    features and are left out of that kind.

    Raises:
        ValueError: different samples, or features that do not vary.
    """
    rng = np.random.default_rng(seed)
    found = []
    for kind in FEATURE_KINDS:
        one, two = _with_media(first, kind), _with_media(second, kind)
        if min(len(one), len(two)) < MIN_SAMPLES:
            continue
        values = [linear_cka(one, two)]
        values += [linear_cka(one, rng.permutation(two)) for _ in range(permutations)]
        found.append(_measured("linear_cka", kind, np.array(values), (len(one), len(two))))
    return found


def words(text: str) -> list[str]:
    """Lower-case runs of letters and digits."""
    return re.findall(r"[^\W_]+", text.lower())


@dataclass(frozen=True, kw_only=True)
class _Pool:
    """Two sides stacked, the source first."""

    rows: np.ndarray
    """(N, D)."""
    units: np.ndarray
    """(N,) int64: equal for samples that must stay together; never shared by the two sides."""
    sizes: tuple[int, int]

    def splits(self, permutations: int, seed: int) -> np.ndarray:
        """(1 + permutations, N) bool: the real split, then units dealt out anew, as many to each
        side as it really has."""
        real = np.arange(len(self.rows)) < self.sizes[0]
        names, first = np.unique(self.units, return_index=True)
        side = real[first]
        rng = np.random.default_rng(seed)
        position = np.searchsorted(names, self.units)
        return np.stack([real, *(rng.permutation(side)[position] for _ in range(permutations))])


def _compare_features(
    kind: FeatureKind, pool: _Pool, *, permutations: int, seed: int
) -> list[Similarity]:
    reduced, splits = principal_components(pool.rows), pool.splits(permutations, seed)
    distances = {
        "frechet": frechet(reduced, splits),
        "mmd": mmd(pool.rows, splits),
        "proxy_a_distance": proxy_a_distance(reduced, splits, units=pool.units, seed=seed),
        "sliced_wasserstein": sliced_wasserstein(pool.rows, splits, seed=seed),
    }
    return [_measured(name, kind, values, pool.sizes) for name, values in distances.items()]


def _pooled(
    rows: Sequence[np.ndarray], units: Sequence[Sequence[str]], *, drop_empty: bool
) -> _Pool | None:
    """The pool of both sides; None where one has too few samples or groups to be compared.

    A row of zeros is a sample without media, or a text without words: there is nothing to compare.
    """
    kept = [np.any(side != 0, axis=1) if drop_empty else np.ones(len(side), bool) for side in rows]
    names = [np.asarray(side)[keep] for side, keep in zip(units, kept, strict=True)]
    if min(map(len, names)) < MIN_SAMPLES or min(len(set(side)) for side in names) < 2:
        return None
    codes = np.unique(np.concatenate(names), return_inverse=True)[1]
    stacked = np.concatenate([side[keep] for side, keep in zip(rows, kept, strict=True)])
    return _Pool(rows=stacked, units=codes, sizes=(len(names[0]), len(names[1])))


def _units(side: str, features: Features, groups: Sequence[str]) -> list[str]:
    if groups and len(groups) != len(features.text):
        raise ValueError(f"{side}: {len(groups)} groups given for {len(features.text)} samples")
    named = groups or [""] * len(features.text)
    return [
        f"{side} group {group}" if group else f"{side} sample {index}"
        for index, group in enumerate(named)
    ]


def _word_counts(source_texts: Sequence[str], target_texts: Sequence[str]) -> list[np.ndarray]:
    """(N, V) and (M, V): how often each text has each word of the common vocabulary."""
    sides = [[Counter(words(text)) for text in texts] for texts in (source_texts, target_texts)]
    vocabulary = sorted(set().union(*sides[0], *sides[1]))
    column = {word: index for index, word in enumerate(vocabulary)}
    counts = [np.zeros((len(side), len(column))) for side in sides]
    for table, side in zip(counts, sides, strict=True):
        for row, text in enumerate(side):
            for word, times in text.items():
                table[row, column[word]] = times
    return counts


def _with_media(features: Features, kind: FeatureKind) -> np.ndarray:
    rows = np.asarray(getattr(features, kind), np.float64)
    # The record's contract: a sample without media has an image row of zeros.
    return rows[np.any(rows != 0, axis=1)] if kind == "image" else rows


def _measured(name: str, features: str, values: np.ndarray, samples: tuple[int, int]) -> Similarity:
    value, baseline = values[0], values[1:]
    # Equal splits may differ in the last bits; such a tie counts as "at or above".
    slack = 1e-9 * max(1e-300, float(np.abs(values).max()))
    reached = int((baseline >= value - slack).sum())
    return Similarity(
        name=name,
        features=features,
        value=float(value),
        baseline_mean=float(baseline.mean()),
        baseline_std=float(baseline.std()),
        p_value=(1 + reached) / (1 + len(baseline)),
        permutations=len(baseline),
        source_samples=samples[0],
        target_samples=samples[1],
    )
