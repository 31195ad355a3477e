"""LogME and H-score of one domain's labels: definitions, negative controls, their shuffles."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.cross_decomposition import CCA

from transferlab.core.records import Features
from transferlab.metrics.baselines.label_measures import label_measure, measure_labels
from transferlab.metrics.similarities.target_h_score import target_h_score
from transferlab.metrics.similarities.target_logme import target_logme
from transferlab.metrics.similarity import SampleSet, compare

NAMES = ["target_h_score", "target_logme"]


def drawn(seed, *, samples=60, width=8, labels=3, apart=1.0):
    rng = np.random.default_rng(seed)
    codes = np.arange(samples) % labels
    places = apart * rng.normal(size=(labels, width))
    return rng.normal(size=(samples, width)) + places[codes] + 0.5, codes


def domain(rows, codes, *, tasks=None, groups=()):
    rows = rows.astype(np.float32)
    tasks = tasks or ["t"] * len(rows)
    labels = ["" if one < 0 else f"{task}: {one}" for task, one in zip(tasks, codes, strict=True)]
    features = Features(image=rows * 0, text=np.ones_like(rows), joint=rows)
    return SampleSet(features=features, labels=labels, tasks=tasks, groups=groups)


def measured(rows, codes, *, seed=0, permutations=39, **more):
    found = measure_labels(
        domain(rows, codes, **more), seed=seed, permutations=permutations, measures=NAMES
    )
    return {(one.name, one.features): one for one in found}


@pytest.mark.parametrize(("samples", "width"), [(60, 8), (30, 50)])
def test_logme_is_the_largest_evidence_of_the_linear_model(samples, width):
    rows, codes = drawn(1, samples=samples, width=width)
    evidences = []
    for label in range(3):
        y = (codes == label).astype(float)

        def negative(logs, y=y):
            alpha, beta = np.exp(np.clip(logs, -30, 30))
            cov = rows @ rows.T / alpha + np.eye(samples) / beta
            return -multivariate_normal.logpdf(y, np.zeros(samples), cov)

        found = [
            minimize(negative, (start, 1.0), method="Nelder-Mead", options={"xatol": 1e-8})
            for start in (0.0, 4.0)
        ]
        evidences.append(-min(one.fun for one in found) / samples)
    assert target_logme(rows, codes[None])[0] == pytest.approx(np.mean(evidences), abs=1e-5)


def test_logme_agrees_with_the_papers_fixed_point():
    rows, codes = drawn(2, samples=80, width=12)
    n, width = rows.shape
    evidences = []
    for label in range(3):
        y, alpha, beta = (codes == label).astype(float), 1.0, 1.0
        for _ in range(2000):
            a = alpha * np.eye(width) + beta * rows.T @ rows
            m = beta * np.linalg.solve(a, rows.T @ y)
            eigenvalues = beta * np.linalg.eigvalsh(rows.T @ rows)
            gamma = (eigenvalues / (alpha + eigenvalues)).sum()
            alpha, beta = gamma / (m @ m), (n - gamma) / np.sum((rows @ m - y) ** 2)
        a = alpha * np.eye(width) + beta * rows.T @ rows
        evidence = width / 2 * np.log(alpha) + n / 2 * np.log(beta) - n / 2 * np.log(2 * np.pi)
        evidence -= beta / 2 * np.sum((rows @ m - y) ** 2) + alpha / 2 * m @ m
        evidences.append((evidence - np.linalg.slogdet(a)[1] / 2) / n)
    assert target_logme(rows, codes[None])[0] == pytest.approx(np.mean(evidences), abs=1e-5)


@pytest.mark.parametrize(("samples", "width"), [(60, 8), (30, 50)])
def test_h_score_agrees_with_the_formula_on_the_shrunk_covariance(samples, width):
    rows, codes = drawn(3, samples=samples, width=width)
    fitted = LedoitWolf().fit(rows)
    means = np.stack([rows[codes == one].mean(axis=0) for one in codes])
    between = np.cov(means.T, bias=True)
    expected = np.trace(np.linalg.inv(fitted.covariance_) @ between) * (1 - fitted.shrinkage_)
    assert target_h_score(rows, codes[None])[0] == pytest.approx(expected, abs=1e-5)
    assert 0 < expected < 2


def test_h_score_comes_near_the_canonical_correlations_with_many_samples():
    rows, codes = drawn(4, samples=6000, width=4)
    variates = CCA(n_components=2, tol=1e-10, max_iter=2000).fit_transform(rows, np.eye(3)[codes])
    squared = [np.corrcoef(x, y)[0, 1] ** 2 for x, y in zip(*(v.T for v in variates), strict=True)]
    assert target_h_score(rows, codes[None])[0] == pytest.approx(sum(squared), abs=0.02)


def test_neither_depends_on_the_unit_or_the_rotation_of_the_features():
    rows, codes = drawn(5)
    turned = 7 * rows @ np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0]
    for measure in (target_logme, target_h_score):
        assert measure(turned, codes[None]) == pytest.approx(measure(rows, codes[None]), abs=1e-6)


def test_labels_that_are_fitted_exactly_stay_finite():
    rows = np.repeat(np.eye(2), 20, axis=0)
    for measure in (target_logme, target_h_score):
        real, shuffled = measure(rows, np.stack([np.repeat([0, 1], 20), np.tile([0, 1], 20)]))
        assert np.isfinite(real)
        assert real > shuffled


def test_labels_stand_out_from_their_shuffles():
    rows, codes = drawn(6)
    found = measured(rows, codes)
    assert set(found) == {(name, "joint") for name in NAMES}  # no media, and one text for all
    for one in found.values():
        assert one.p_value == 1 / 40
        assert one.value > one.baseline_mean + 3 * one.baseline_std
        assert (one.source_samples, one.target_samples) == (0, 60)


def test_shuffled_labels_show_nothing():
    p_values = {name: [] for name in NAMES}
    for seed in range(40):
        rows, codes = drawn(seed)
        codes = np.random.default_rng(seed + 1).permutation(codes)
        for (name, _), one in measured(rows, codes, seed=seed, permutations=19).items():
            p_values[name].append(one.p_value)
    for name, values in p_values.items():
        assert len(values) == 40
        assert 0.4 < np.mean(values) < 0.65, name
        assert np.mean(np.array(values) <= 0.1) < 0.25, name


def test_noise_never_makes_features_tell_more():
    rows, codes = drawn(7, samples=120, apart=2.0)
    noise = np.random.default_rng(8).normal(size=rows.shape)
    for measure in (target_logme, target_h_score):
        values = [measure(rows + k * noise, codes[None])[0] for k in (0, 0.5, 1, 2, 4, 16)]
        assert all(np.diff(values) < 0), measure


def test_samples_of_a_group_do_not_count_as_many():
    # A group's samples are copies and its label is chance: of single samples it would look learned.
    p_values = {"told": [], "untold": []}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows = np.repeat(rng.normal(size=(20, 6)), 5, axis=0) + 1e-3 * rng.normal(size=(100, 6))
        codes = np.repeat(rng.permutation(20) % 2, 5)
        groups = [f"patient {at // 5}" for at in range(100)]
        for name, given in (("told", groups), ("untold", ())):
            found = measured(rows, codes, seed=seed, permutations=19, groups=given)
            assert {one.target_samples for one in found.values()} == {20 if given else 100}
            p_values[name] += [one.p_value for one in found.values()]
    assert len(p_values["told"]) == len(p_values["untold"]) == 40
    assert np.mean(np.array(p_values["told"]) <= 0.1) < 0.2
    assert np.mean(np.array(p_values["untold"]) <= 0.1) > 0.7


def test_tasks_are_measured_apart_and_averaged_by_samples():
    one, two = drawn(9, samples=40), drawn(10, samples=20, labels=2)
    two[0][:] += 50  # which task it is, the features tell at once
    rows = np.concatenate([one[0], two[0]])
    codes, tasks = np.concatenate([one[1], two[1]]), ["a"] * 40 + ["b"] * 20
    found = measured(rows, codes, tasks=tasks)
    for name, measure in (("target_logme", target_logme), ("target_h_score", target_h_score)):
        alone = [measure(task[0].astype(np.float32), task[1][None])[0] for task in (one, two)]
        expected = (40 * alone[0] + 20 * alone[1]) / 60
        assert found[name, "joint"].value == pytest.approx(expected, abs=1e-4)


def test_tasks_that_ask_the_same_groups_are_shuffled_alike():
    seen = []

    @label_measure(pools=("joint",))
    def noted(rows, labels):
        seen.append(labels)
        return np.zeros(len(labels))

    rows, codes = drawn(11, samples=30, labels=2)
    groups = [f"patient {at}" for at in range(30)] * 2
    tasks = ["a"] * 30 + ["b"] * 30
    twice = domain(np.concatenate([rows, rows]), np.tile(codes, 2), tasks=tasks, groups=groups)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transferlab.metrics.baselines.label_measures.SIMILARITIES", {"noted": noted})
        measure_labels(twice, seed=0, permutations=5, measures=["noted"])
    assert len(seen) == 2
    np.testing.assert_array_equal(*seen)
    assert len(np.unique(seen[0], axis=0)) > 3
    assert (np.sort(seen[0], axis=1) == np.sort(seen[0][0])).all()


def test_what_cannot_be_measured_has_no_entry():
    rows, codes = drawn(12, samples=30)
    assert measured(rows, codes * 0) == {}  # one label
    assert measured(rows, codes * 0 - 1) == {}  # free text
    assert measured(rows[:9], codes[:9]) == {}
    assert measured(rows, codes, groups=["one"] * 30) == {}
    assert measured(rows * 0 + 1, codes) == {}
    only = measure_labels(domain(rows, codes), seed=0, permutations=3, measures=["mmd"])
    assert only == []
    assert compare(*[domain(rows, codes)] * 2, seed=0, permutations=3, measures=NAMES) == []


def test_what_is_asked_for_wrongly_is_refused():
    rows, codes = drawn(13)
    with pytest.raises(ValueError, match="at least 1 permutation"):
        measured(rows, codes, permutations=0)
    features = Features(image=rows, text=rows, joint=rows)
    bare = SampleSet(features=features, labels=["t: 1"] * 60)
    with pytest.raises(ValueError, match="without the names of their tasks"):
        measure_labels(bare, seed=0, permutations=3)
    short = SampleSet(features=features, labels=["t: 1"] * 60, tasks=["t"])
    with pytest.raises(ValueError, match="1 tasks given for 60 samples"):
        measure_labels(short, seed=0, permutations=3)
