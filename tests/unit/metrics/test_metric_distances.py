import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance
from sklearn.metrics.pairwise import rbf_kernel

from transferlab.metrics.pool import Pool, principal_components
from transferlab.metrics.similarities.frechet import frechet
from transferlab.metrics.similarities.mmd import mmd
from transferlab.metrics.similarities.proxy_a_distance import proxy_a_distance
from transferlab.metrics.similarities.sliced_wasserstein import sliced_wasserstein
from transferlab.metrics.similarities.vocabulary_js import vocabulary_js
from transferlab.metrics.similarity import linear_cka


def split_of(first, second):
    return np.r_[np.ones(len(first), bool), np.zeros(len(second), bool)][None]


def pool_of(rows, first, *, seed=0):
    return Pool(rows=rows, units=np.arange(len(rows)), sizes=(first, len(rows) - first), seed=seed)


def apart(distance, first, second, *, seed=0):
    rows = np.concatenate([first, second]).astype(np.float64)
    return float(distance(pool_of(rows, len(first), seed=seed), split_of(first, second))[0])


def test_frechet_agrees_with_the_textbook_formula():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(60, 6)) @ rng.normal(size=(6, 6))
    two = rng.normal(size=(45, 6)) @ rng.normal(size=(6, 6)) + 1
    cov_one, cov_two = np.cov(one.T), np.cov(two.T)
    shift = one.mean(axis=0) - two.mean(axis=0)
    root = sqrtm(cov_one @ cov_two).real
    expected = shift @ shift + np.trace(cov_one + cov_two - 2 * root)
    assert apart(frechet, one, two) == pytest.approx(expected, rel=1e-6)


def test_frechet_of_known_gaussians():
    rng = np.random.default_rng(1)
    shift = np.array([1.0, -2.0, 0.5])
    one = rng.normal(size=(20000, 3))
    two = 2 * rng.normal(size=(20000, 3)) + shift
    # Covariances I and 4 I: |shift|^2 + sum (1 - 2)^2.
    assert apart(frechet, one, two) == pytest.approx(shift @ shift + 3, rel=0.05)


def test_principal_components_keep_all_distances_of_low_rank_features():
    rng = np.random.default_rng(2)
    pool = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 200)) + 5
    reduced = principal_components(pool)
    assert reduced.shape == (40, 3)
    gaps = np.linalg.norm(pool[:, None] - pool, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(reduced[:, None] - reduced, axis=-1), gaps, atol=1e-8)
    assert principal_components(np.ones((10, 4)) + 1e-9).shape == (10, 0)


def test_mmd_agrees_with_the_written_out_estimator():
    rng = np.random.default_rng(3)
    one, two = rng.normal(size=(20, 4)), rng.normal(size=(15, 4)) + 1
    pool = np.concatenate([one, two])
    pairs = np.linalg.norm(pool[:, None] - pool, axis=-1)[np.triu_indices(35, 1)]
    gamma = 1 / (2 * np.median(pairs**2))
    within = [
        (rbf_kernel(x, gamma=gamma).sum() - len(x)) / (len(x) * (len(x) - 1)) for x in (one, two)
    ]
    expected = sum(within) - 2 * rbf_kernel(one, two, gamma=gamma).mean()
    assert apart(mmd, one, two) == pytest.approx(expected, rel=1e-9)


def test_mmd_is_unbiased_where_the_distributions_agree():
    rng = np.random.default_rng(4)
    found = [apart(mmd, *rng.normal(size=(2, 25, 5))) for _ in range(200)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(200)
    assert min(found) < 0 < max(found)


def test_sliced_wasserstein_is_the_mean_over_directions_of_the_exact_distance():
    rng = np.random.default_rng(5)
    one, two = rng.normal(size=(30, 4)), rng.normal(size=(17, 4)) + 0.5
    directions = np.random.default_rng(9).standard_normal((4, 64))
    directions /= np.linalg.norm(directions, axis=0)
    expected = [wasserstein_distance(one @ d, two @ d) for d in directions.T]
    assert apart(sliced_wasserstein, one, two, seed=9) == pytest.approx(np.mean(expected), rel=1e-9)


def test_proxy_a_distance_spans_from_indistinguishable_to_separate():
    rng = np.random.default_rng(6)
    same = [apart(proxy_a_distance, *rng.normal(size=(2, 60, 5)), seed=s) for s in range(20)]
    assert abs(np.mean(same)) < 0.15
    one, two = rng.normal(size=(60, 5)), rng.normal(size=(60, 5)) + 8
    assert apart(proxy_a_distance, one, two, seed=0) == 2.0


def test_proxy_a_distance_does_not_profit_from_unequal_sizes():
    rng = np.random.default_rng(7)
    found = [
        apart(proxy_a_distance, rng.normal(size=(180, 5)), rng.normal(size=(20, 5)), seed=s)
        for s in range(20)
    ]
    assert abs(np.mean(found)) < 0.25  # always saying "first" would have an error of .1, so 1.6
    one, two = rng.normal(size=(180, 5)), rng.normal(size=(20, 5)) + 3
    assert apart(proxy_a_distance, one, two, seed=0) > 1.9


def test_jensen_shannon_agrees_with_scipy():
    rng = np.random.default_rng(8)
    counts = rng.poisson(1.0, size=(12, 30)).astype(float)
    split = split_of(np.zeros(5), np.zeros(7))
    p, q = counts[:5].sum(axis=0), counts[5:].sum(axis=0)
    expected = jensenshannon(p, q, base=2) ** 2
    assert vocabulary_js(pool_of(counts, 5), split)[0] == pytest.approx(expected, rel=1e-9)
    disjoint = np.kron(np.eye(2), np.ones((3, 2)))
    assert vocabulary_js(pool_of(disjoint, 3), split_of(np.zeros(3), np.zeros(3)))[
        0
    ] == pytest.approx(1.0)


def test_linear_cka_sees_through_rotation_and_scale_only():
    rng = np.random.default_rng(9)
    features = rng.normal(size=(50, 6))
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert linear_cka(features, 3 * features @ rotation + 2) == pytest.approx(1.0)
    assert linear_cka(features, rng.normal(size=(50, 6))) < 0.4
    with pytest.raises(ValueError, match="paired"):
        linear_cka(features, features[:-1])
    with pytest.raises(ValueError, match="do not vary"):
        linear_cka(features, np.ones((50, 6)))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 20), st.integers(5, 20), st.integers(1, 6))
def test_distances_are_symmetric_and_vanish_for_equal_sets(seed, n, m, width):
    rng = np.random.default_rng(seed)
    one, two = rng.normal(size=(n, width)), rng.normal(size=(m, width)) + 0.3
    for distance in (frechet, mmd, sliced_wasserstein):
        there, back = apart(distance, one, two), apart(distance, two, one)
        assert there == pytest.approx(back, rel=1e-6, abs=1e-8)
    for distance in (frechet, sliced_wasserstein):
        assert apart(distance, one, two) >= -1e-8
        assert apart(distance, one, one) == pytest.approx(0.0, abs=1e-7)
