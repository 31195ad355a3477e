"""Sides of equally many units of equal size, and the test that permutes them."""

import numpy as np
import pytest

from transferlab.config.pipeline import SimilaritySection
from transferlab.core.records import Features
from transferlab.metrics.baselines.matched_groups import match_groups
from transferlab.metrics.pool import Pool
from transferlab.metrics.similarity import SampleSet, compare

SINGLE, TENS = [1] * 200, [10] * 20
WIDTH = 6


def rows_of(rng, sizes, *, alike=0.0, shift=0.0):
    """Samples of groups; ``alike`` is the correlation of two of one group."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    centre = rng.normal(0, np.sqrt(alike), (len(sizes), WIDTH))
    return group, centre[group] + rng.normal(shift, np.sqrt(1 - alike), (len(group), WIDTH))


def a_pool(sizes, others, **how):
    rng = np.random.default_rng(0)
    (group, rows), (other, more) = rows_of(rng, sizes, **how), rows_of(rng, others, **how)
    return Pool(
        rows=np.concatenate([rows, more]),
        units=np.concatenate([group, other + len(sizes)]),
        sizes=(len(rows), len(more)),
        labels=np.arange(len(rows) + len(more)),
    )


def a_set(rng, sizes, **how):
    group, rows = rows_of(rng, sizes, **how)
    rows = rows.astype(np.float32)
    empty = np.zeros_like(rows)
    return SampleSet(
        features=Features(image=rows, text=empty[:, :1], joint=empty[:, :1]),
        groups=[str(one) for one in group],
    )


def p_values_of(source, target, *, seed, permutations=39):
    found = compare(source, target, seed=seed, permutations=permutations)
    return {one.name: one.p_value for one in found if one.features == "image"}


def test_units_of_one_size_stay_as_they_are():
    for sizes, others in ((SINGLE, [1] * 30), ([4] * 9, [4] * 30)):
        pool = a_pool(sizes, others)
        assert match_groups(pool) is pool


@pytest.mark.parametrize(
    ("sizes", "others", "kept"),
    [
        (SINGLE, TENS, 200),
        ([5] * 40, TENS, 200),
        (SINGLE, [8] * 6, 48),
        ([60] + [3] * 30, SINGLE, 99),
        ([1, 2, 3, 4] * 10, [7, 1, 2] * 12, 90),
    ],
)
def test_both_sides_get_as_many_units_of_as_many_samples(sizes, others, kept):
    pool = a_pool(sizes, others)
    matched = match_groups(pool)
    assert matched.sizes[0] == matched.sizes[1] >= kept
    counts = np.unique(matched.units, return_counts=True)[1]
    assert len(set(counts)) == 1
    assert len(counts) >= 2 * min(len(sizes), len(others), 10)
    # Rows and labels stay together, and none occurs twice; the source's come first.
    assert len(set(matched.labels)) == len(matched.rows)
    np.testing.assert_array_equal(pool.rows[matched.labels], matched.rows)
    assert (matched.labels < pool.sizes[0]).sum() == matched.sizes[0]
    # No group is torn apart between two units.
    of_group = {}
    for row, unit in zip(matched.labels, matched.units, strict=True):
        of_group.setdefault(pool.units[row], set()).add(unit)
    assert {len(units) for units in of_group.values()} == {1}


def test_of_groups_that_are_much_alike_one_sample_each_is_kept():
    matched = match_groups(a_pool(SINGLE, TENS, alike=0.9))
    assert matched.sizes == (200, 20)
    # Five groups keep two each, so that there is something to measure.
    assert min(match_groups(a_pool(SINGLE, [40] * 5, alike=0.9)).sizes) == 10


def test_of_large_groups_no_more_is_kept_than_the_design_effect_allows():
    # 1 + 13 x 0.3 = 4.9: about 14 samples of each group of 40.
    assert 5 * 10 <= match_groups(a_pool(SINGLE, [40] * 5, alike=0.3)).sizes[1] <= 5 * 20
    assert match_groups(a_pool(SINGLE, [40] * 5)).sizes == (200, 200)


def test_few_very_unequal_groups_are_dealt_into_fewer_units_or_not_compared():
    assert match_groups(a_pool(SINGLE, [40, 6, 6])).sizes == (18, 18)
    assert match_groups(a_pool(SINGLE, [20, 4, 1])).sizes == (10, 10)
    rng = np.random.default_rng(0)
    assert p_values_of(a_set(rng, SINGLE), a_set(rng, [20, 1, 1]), seed=0) == {}


@pytest.mark.parametrize("alike", [0.0, 0.3, 0.8])
def test_groups_of_other_size_do_not_bias_the_test(alike):
    p_values = {}
    for seed in range(60):
        rng = np.random.default_rng([seed, 1])
        pair = a_set(rng, SINGLE[:80], alike=alike), a_set(rng, [8] * 10, alike=alike)
        for name, p_value in p_values_of(*pair, seed=seed, permutations=19).items():
            p_values.setdefault(name, []).append(p_value)
    assert len(p_values) == 4
    for name, values in p_values.items():
        assert np.mean(np.array(values) <= 0.05) <= 0.15, name
        assert 0.37 < np.mean(values) < 0.63, name


def test_a_small_shift_is_found_whatever_the_sizes_of_groups():
    found = {}
    for seed in range(15):
        rng = np.random.default_rng([seed, 2])
        pair = a_set(rng, SINGLE), a_set(rng, TENS, shift=0.25)
        for name, p_value in p_values_of(*pair, seed=seed).items():
            found.setdefault(name, []).append(p_value <= 0.05)
    for name, of_measure in found.items():
        assert np.mean(of_measure) >= 0.7, name


def test_the_default_allows_small_p_values():
    rng = np.random.default_rng(0)
    pair = a_set(rng, SINGLE), a_set(rng, TENS, shift=1.0)
    permutations = SimilaritySection().permutations
    assert permutations >= 199
    found = p_values_of(*pair, seed=0, permutations=permutations)
    assert set(found.values()) == {1 / (1 + permutations)}
