"""How similar a source and a target are, each measure beside what random splits would give."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from transferlab.core.records import Features
from transferlab.metrics.baselines.matched_groups import MIN_SAMPLES, match_groups
from transferlab.metrics.pool import (
    FEATURE_KINDS,
    SIMILARITIES,
    WORDS,
    FeatureKind,
    Pool,
    facts_of,
)


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """One measure between two sets of samples, or of the target's labels, and its permutation
    baseline."""

    name: str
    """Of ``SIMILARITIES``, or linear_cka. All but linear_cka are distances, whose higher means
    less similar; those that begin with ``target_`` are no distance, and higher means that the
    target's features tell more of its labels."""
    features: str
    """image, text or joint; "words" for the vocabulary."""
    value: float
    baseline_mean: float
    """Mean over random splits of the pooled groups, matched in number and size: what "no
    difference" looks like. Of the target's labels: mean over shuffles of them."""
    baseline_std: float
    p_value: float
    """(1 + permutations at or above the value) / (1 + permutations), in (0, 1]."""
    permutations: int
    source_samples: int
    """How many of the source's samples were compared: those with media, for image features, less
    what ``match_groups`` leaves out. 0 for a measure of the target alone."""
    target_samples: int


@dataclass(frozen=True, kw_only=True)
class SampleSet:
    """What is compared of one domain: N samples."""

    features: Features
    """(N, D) of each kind."""
    texts: Sequence[str] = ()
    """N texts, or none."""
    groups: Sequence[str] = ()
    """N group ids. Samples of one group (questions about one picture, pictures of one patient) go
    to the same side of a random split and to the same fold; otherwise near duplicates make any two
    sets look different. Empty: each sample stands for itself."""
    labels: Sequence[str] = ()
    """N answers with the name of their task, "" where an answer is no label; or none."""
    tasks: Sequence[str] = ()
    """N names of tasks; none where there are no labels."""

    def check(self, name: str) -> None:
        """
        Raises:
            ValueError: there is not one text, group, label or task per sample.
        """
        for what in ("texts", "groups", "labels", "tasks"):
            given = len(getattr(self, what))
            if given not in (0, len(self.features.text)):
                raise ValueError(
                    f"{name}: {given} {what} given for {len(self.features.text)} samples"
                )


def compare(
    source: SampleSet,
    target: SampleSet,
    *,
    seed: int,
    permutations: int,
    measures: Sequence[str] | None = None,
) -> list[Similarity]:
    """Every measure on every kind of features, and on the words where texts are given.

    A kind of which either side has fewer than ``MIN_SAMPLES`` samples (images of a text-only
    domain; a few groups of very unequal size, which cannot be matched) or one group only has no
    entry; nor has a measure that needs labels, where there are none. Those of the target alone are
    ``measure_labels``'s.

    Args:
        source: features from the same backbone as the target's.
        target: likewise.
        seed: of permutations, folds and projections.
        permutations: random splits per measure, >= 1.
        measures: names of ``SIMILARITIES`` or dotted paths; None takes all that have a name.

    Raises:
        ValueError: the two are of different width, ``permutations`` < 1, only one has texts, or
            there is not one text, group or label per sample.
        UnknownName: there is no such measure.
    """
    if permutations < 1:
        raise ValueError(f"a baseline needs at least 1 permutation, got {permutations}")
    source.check("source")
    target.check("target")
    names = SIMILARITIES.names() if measures is None else measures
    chosen = {name: SIMILARITIES.get(name) for name in names}
    found: list[Similarity] = []
    for kind, whole in _pools(source, target, seed):
        pool = match_groups(whole)
        if min(pool.sizes) < MIN_SAMPLES:
            continue
        splits = pool.splits(permutations)
        for name, measure in chosen.items():
            facts = facts_of(measure)
            if facts.of != "pair" or (facts.labels and pool.labels is None):
                continue
            if kind in facts.pools:
                found.append(against_baseline(name, kind, measure(pool, splits), pool.sizes))
    return found


def _pools(source: SampleSet, target: SampleSet, seed: int) -> Iterator[tuple[str, Pool]]:
    """The pool of each kind that both sides have enough samples of."""
    for kind in FEATURE_KINDS:
        rows = [np.asarray(getattr(one.features, kind), np.float64) for one in (source, target)]
        if rows[0].shape[1] != rows[1].shape[1]:
            raise ValueError(
                f"{kind} features of width {rows[0].shape[1]} and {rows[1].shape[1]} come from "
                "different backbones and cannot be compared"
            )
        pool = _pooled(rows, (source, target), seed, drop_empty=kind == "image")
        if pool is not None:
            yield kind, pool
    if source.texts or target.texts:
        if not (source.texts and target.texts):
            raise ValueError("texts were given of one set only; give both or neither")
        counts = _word_counts(source.texts, target.texts)
        pool = _pooled(counts, (source, target), seed, drop_empty=True)
        if pool is not None:
            yield WORDS, pool


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
        found.append(against_baseline("linear_cka", kind, np.array(values), (len(one), len(two))))
    return found


def words(text: str) -> list[str]:
    """Lower-case runs of letters and digits."""
    return re.findall(r"[^\W_]+", text.lower())


def _pooled(
    rows: Sequence[np.ndarray], sets: Sequence[SampleSet], seed: int, *, drop_empty: bool
) -> Pool | None:
    """The pool of both sides; None where one has too few samples or groups to be compared.

    A row of zeros is a sample without media, or a text without words: there is nothing to compare.
    """
    masks = [np.any(side != 0, axis=1) if drop_empty else np.ones(len(side), bool) for side in rows]
    units = [
        np.asarray(names) for names in (units_of("source", sets[0]), units_of("target", sets[1]))
    ]
    names = [side[keep] for side, keep in zip(units, masks, strict=True)]
    if min(map(len, names)) < MIN_SAMPLES or min(len(set(side)) for side in names) < 2:
        return None
    codes = np.unique(np.concatenate(names), return_inverse=True)[1]
    stacked = np.concatenate([side[keep] for side, keep in zip(rows, masks, strict=True)])
    return Pool(
        rows=stacked,
        units=codes,
        sizes=(len(names[0]), len(names[1])),
        seed=seed,
        labels=_label_codes(sets, masks),
    )


def _label_codes(sets: Sequence[SampleSet], masks: Sequence[np.ndarray]) -> np.ndarray | None:
    """(N,) int64, -1 where an answer is no label; None where a side has no labels."""
    if not all(any(one.labels) for one in sets):
        return None
    named = [np.asarray(one.labels)[keep] for one, keep in zip(sets, masks, strict=True)]
    labels = np.concatenate(named)
    codes = np.unique(labels, return_inverse=True)[1]
    return np.where(labels == "", -1, codes)


def units_of(side: str, one: SampleSet) -> list[str]:
    """What must stay together: a sample's group, or itself, under the name of its side."""
    named = one.groups or [""] * len(one.features.text)
    return [
        f"{side} group {group}" if group else f"{side} sample {index}"
        for index, group in enumerate(named)
    ]


def _word_counts(source_texts: Sequence[str], target_texts: Sequence[str]) -> list[np.ndarray]:
    """(N, V) and (M, V): how often each text has each word of the common vocabulary."""
    tallies = [[Counter(words(text)) for text in texts] for texts in (source_texts, target_texts)]
    vocabulary = sorted(set().union(*tallies[0], *tallies[1]))
    column = {word: index for index, word in enumerate(vocabulary)}
    counts = [np.zeros((len(tally), len(column))) for tally in tallies]
    for table, tally in zip(counts, tallies, strict=True):
        for row, text in enumerate(tally):
            for word, times in text.items():
                table[row, column[word]] = times
    return counts


def _with_media(features: Features, kind: FeatureKind) -> np.ndarray:
    rows = np.asarray(getattr(features, kind), np.float64)
    # The record's contract: a sample without media has an image row of zeros.
    return rows[np.any(rows != 0, axis=1)] if kind == "image" else rows


def against_baseline(
    name: str, features: str, values: np.ndarray, samples: tuple[int, int]
) -> Similarity:
    """The first value beside all others, which are those of random splits or shuffles."""
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
