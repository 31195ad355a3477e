"""OTDD against scipy and POT's own Gaussians, and what labels must and must not do to it."""

import numpy as np
import ot
import pytest
from scipy.linalg import sqrtm
from scipy.optimize import linear_sum_assignment

from transferlab.core.records import Features
from transferlab.metrics.pool import Pool
from transferlab.metrics.similarities.frechet import frechet
from transferlab.metrics.similarities.mmd import mmd
from transferlab.metrics.similarities.otdd import otdd
from transferlab.metrics.similarities.sliced_wasserstein import sliced_wasserstein
from transferlab.metrics.similarity import SampleSet, compare


def drawn(seed, samples, *, width=4, labels=3, place=0.0):
    """Labels lie apart, at the same places for every seed."""
    codes = np.arange(samples) % labels
    places = 3 * np.random.default_rng(99).normal(size=(labels, width))
    noise = np.random.default_rng(seed).normal(size=(samples, width))
    return noise + places[codes] + place, codes


def apart(one, two, *, measure=otdd):
    rows = np.concatenate([one[0], two[0]])
    labels = np.concatenate([one[1], two[1]])
    sizes = (len(one[0]), len(two[0]))
    pool = Pool(rows=rows, units=np.arange(len(rows)), sizes=sizes, labels=labels)
    return float(measure(pool, pool.splits(0))[0])


def cost_of(one, two, between):
    cost = ((one[0][:, None] - two[0]) ** 2).sum(axis=2)
    for a in set(one[1].tolist()):
        for b in set(two[1].tolist()):
            first, second = one[0][one[1] == a], two[0][two[1] == b]
            gap = between(first.mean(0), second.mean(0), np.cov(first.T), np.cov(second.T))
            cost[np.ix_(one[1] == a, two[1] == b)] += gap
    return cost


def textbook(m1, m2, s1, s2):
    root = sqrtm(s1)
    return ((m1 - m2) ** 2).sum() + np.trace(s1 + s2 - 2 * sqrtm(root @ s2 @ root).real)


def test_it_is_the_best_assignment_at_the_textbooks_cost():
    one, two = drawn(1, 30), drawn(2, 30, labels=2, place=0.5)
    cost = cost_of(one, two, textbook)
    expected = cost[linear_sum_assignment(cost)].mean()
    assert apart(one, two) == pytest.approx(expected, rel=1e-5)


def test_it_agrees_with_pot_on_sets_of_unequal_size_and_small_labels():
    def bures(m1, m2, s1, s2):
        return float(ot.gaussian.bures_wasserstein_distance(m1, m2, s1, s2)) ** 2

    one, two = drawn(3, 40, labels=5, width=6), drawn(4, 27, labels=3, width=6)
    expected = ot.emd2(ot.unif(40), ot.unif(27), cost_of(one, two, bures))
    assert apart(one, two) == pytest.approx(expected, rel=1e-5)


def test_a_label_of_one_sample_is_a_point():
    one = (np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([0, 0]))  # covariance diag(2, 0)
    two = (np.array([[1.0, 3.0], [1.0, 3.0]]), np.array([1, 2]))
    # |x - x'|^2 = 1 + 9; the labels' means are 3 apart, and the spread is 2.
    assert apart(one, two) == pytest.approx(10 + 9 + 2)


def test_it_is_symmetric_zero_for_equal_sets_and_blind_to_the_names_of_labels():
    one, two = drawn(5, 30), drawn(6, 24, place=1.0)
    assert apart(one, two) == pytest.approx(apart(two, one))
    assert apart(one, one) == pytest.approx(0.0, abs=1e-8)
    assert apart(one, (two[0], 7 - two[1])) == pytest.approx(apart(one, two))
    assert apart(*[(np.ones((9, 4)), np.arange(9) % 2)] * 2) == 0


def test_shuffled_labels_carry_no_similarity_of_labels():
    one, two = drawn(7, 60), drawn(8, 60)
    rng = np.random.default_rng(0)
    shuffled = [apart(one, (two[0], rng.permutation(two[1]))) for _ in range(10)]
    assert min(shuffled) > 3 * apart(one, two)
    # Shuffled on both sides all labels are alike: what is left is transport of the features.
    alone = ot.emd2(ot.unif(60), ot.unif(60), ot.dist(one[0], two[0]))
    both = [
        apart((one[0], rng.permutation(one[1])), (two[0], rng.permutation(two[1])))
        for _ in range(10)
    ]
    assert np.mean(both) - alone < 0.1 * (np.mean(shuffled) - alone)


def labelled(rows, column):
    rows = rows.astype(np.float32)
    features = Features(image=rows * 0, text=rows, joint=rows)
    return SampleSet(features=features, labels=[f"t: {row[column] > 0}" for row in rows])


def p_values(seed, columns):
    """Of two sets whose features agree, labelled by the sign of the given columns."""
    halves = np.random.default_rng(seed).normal(size=(2, 60, 4))
    pair = [labelled(half, column) for half, column in zip(halves, columns, strict=True)]
    found = compare(*pair, seed=seed, permutations=19, measures=["otdd", "mmd"])
    return {one.name: one.p_value for one in found if one.features == "joint"}


def test_labels_are_seen_where_features_agree_and_only_where_they_differ():
    same = [p_values(seed, (0, 0)) for seed in range(30)]
    other = [p_values(seed, (0, 1)) for seed in range(30)]
    assert 0.35 < np.mean([one["otdd"] for one in same]) < 0.65
    assert np.mean([one["otdd"] <= 0.1 for one in same]) < 0.25
    assert np.mean([one["otdd"] <= 0.05 for one in other]) > 0.9
    assert [one["mmd"] for one in same] == [one["mmd"] for one in other]


def test_without_labels_on_both_sides_it_has_no_entry():
    pair = [labelled(drawn(seed, 30)[0], 0) for seed in (1, 2)]
    assert compare(*pair, seed=0, permutations=3, measures=["otdd"])
    bare = SampleSet(features=pair[0].features)
    assert compare(bare, pair[1], seed=0, permutations=3, measures=["otdd"]) == []


@pytest.mark.parametrize("measure", [otdd, frechet, mmd, sliced_wasserstein])
def test_the_other_half_is_nearest_and_noise_brings_nothing_nearer(measure):
    here, other_half = drawn(11, 80), drawn(12, 80)
    near, far = drawn(13, 80, place=1.5), drawn(14, 80, place=6.0)
    distances = [apart(here, one, measure=measure) for one in (other_half, near, far)]
    assert distances == sorted(distances)
    noise = np.random.default_rng(15).normal(size=other_half[0].shape)
    # MMD's kernel widens with the noise, so that sets which are apart may come a little nearer.
    for start in (other_half, *([near] if measure is not mmd else [])):
        noisy = [
            apart(here, (start[0] + k * noise, start[1]), measure=measure) for k in (0, 1, 2, 4, 8)
        ]
        assert all(np.diff(noisy) > 0), noisy
