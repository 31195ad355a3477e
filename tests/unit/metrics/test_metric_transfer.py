import dataclasses

import numpy as np
import pytest

from transferlab.core.records import TaskScore
from transferlab.metrics.bootstrap import percentile_interval, resample, score_interval
from transferlab.metrics.transfer import transfer_gain

SETTINGS = {"draws": 400, "confidence": 0.95, "seed": 0}


def grouped(rng, *, groups=40, each=5, mean=0.6):
    """Correct-or-not values whose chance of being right belongs to the group."""
    chance = np.clip(rng.normal(mean, 0.25, groups), 0, 1)
    names = [f"g{index}" for index in range(groups) for _ in range(each)]
    return names, (rng.random(groups * each) < np.repeat(chance, each)).astype(float)


def test_interval_of_a_mean_agrees_with_the_cluster_standard_error(domain_score):
    names, values = grouped(np.random.default_rng(1))
    score = domain_score({"t": values}, {"t": names})
    found = score_interval(score, draws=4000, confidence=0.95, seed=0)
    by_group = values.reshape(40, 5).mean(axis=1)
    error = by_group.std(ddof=1) / np.sqrt(40)
    assert found.low == pytest.approx(score.value - 1.96 * error, abs=0.02)
    assert found.high == pytest.approx(score.value + 1.96 * error, abs=0.02)
    # Samples of a group go together: taking them for independent would be too narrow.
    alone = domain_score({"t": values}, {"t": [str(i) for i in range(200)]})
    narrow = score_interval(alone, draws=4000, confidence=0.95, seed=0)
    assert found.high - found.low > 1.15 * (narrow.high - narrow.low)


def test_coverage_is_near_nominal(domain_score):
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        names, values = grouped(rng, mean=0.5)
        score = domain_score({"t": values}, {"t": names})
        found = score_interval(score, draws=300, confidence=0.9, seed=0)
        covered += found.low <= 0.5 <= found.high
    assert 0.82 <= covered / 200 <= 0.96


def test_a_group_is_drawn_into_all_its_tasks(domain_score):
    names = [f"g{index}" for index in range(12)]
    values = np.random.default_rng(3).random(12)
    both = domain_score({"a": values, "b": 1 - values}, {"a": names, "b": names})
    drawn = resample([both], draws=50, seed=0)[0]
    np.testing.assert_allclose(drawn, 0.5)  # the two tasks cancel within every group


def test_shared_difficulty_cancels_in_a_paired_gain(domain_score):
    rng = np.random.default_rng(4)
    names, values = grouped(rng)
    better = np.clip(values + 0.1, 0, None)
    one, two = (domain_score({"t": v}, {"t": names}) for v in (better, values))
    gain = transfer_gain(one, two, arm="single", over="scratch", **SETTINGS)
    assert gain.value == pytest.approx(0.1)
    assert gain.interval.low == pytest.approx(0.1)
    assert gain.interval.high == pytest.approx(0.1)
    assert gain.interval.confidence == 0.95
    assert not gain.negative_transfer


@pytest.mark.parametrize(("shift", "negative"), [(-0.3, True), (0.3, False), (0.0, False)])
def test_negative_transfer_is_flagged_only_when_the_interval_is_below_zero(
    domain_score, shift, negative
):
    rng = np.random.default_rng(5)
    names = [f"g{index}" for index in range(50)]
    one = domain_score({"t": rng.normal(0.5 + shift, 0.1, 50)}, {"t": names})
    two = domain_score({"t": rng.normal(0.5, 0.1, 50)}, {"t": names})
    gain = transfer_gain(one, two, arm="single", over="zero_shot", **SETTINGS)
    assert gain.negative_transfer is negative
    assert gain.value == pytest.approx(one.value - two.value)


def test_few_groups_give_a_gain_without_an_interval(domain_score):
    names = ["g0", "g1", "g2", "g3"] * 10
    one = domain_score({"t": np.zeros(40)}, {"t": names})
    two = domain_score({"t": np.ones(40)}, {"t": names})
    gain = transfer_gain(one, two, arm="single", over="scratch", **SETTINGS)
    assert gain.value == -1.0
    assert gain.interval is None
    assert gain.negative_transfer is False


def test_draws_depend_on_seed_and_domain_alone(domain_score):
    names, values = grouped(np.random.default_rng(6))
    score = domain_score({"t": values}, {"t": names})
    other = domain_score({"t": 1 - values}, {"t": names})
    alone = resample([score], draws=20, seed=0)[0]
    np.testing.assert_array_equal(alone, resample([other, score], draws=20, seed=0)[1])
    assert not np.array_equal(alone, resample([score], draws=20, seed=1)[0])
    elsewhere = domain_score({"t": values}, {"t": names}, "lectures")
    assert not np.array_equal(alone, resample([elsewhere], draws=20, seed=0)[0])


def test_samples_without_a_group_count_as_groups_of_one(domain_score):
    values = np.random.default_rng(7).random(30)
    nameless = domain_score({"t": values}, {"t": [""] * 30})
    found = score_interval(nameless, draws=2000, confidence=0.95, seed=0)
    error = values.std(ddof=1) / np.sqrt(30)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_scores_of_other_samples_cannot_be_paired(domain_score):
    one = domain_score({"t": [0.0] * 6}, {"t": list("abcdef")})
    for other in (
        domain_score({"t": [0.0] * 6}, {"t": list("abcdeg")}),
        domain_score({"u": [0.0] * 6}, {"u": list("abcdef")}),
        domain_score({"t": [0.0] * 6}, {"t": list("abcdef")}, "lectures"),
    ):
        with pytest.raises(ValueError, match="paired"):
            resample([one, other], draws=5, seed=0)


def test_macro_f1_is_resampled_itself_and_not_its_accuracy(domain_score):
    rng = np.random.default_rng(8)
    labels = np.repeat([0, 1], [54, 6])
    names = [f"g{index}" for index in range(60)]
    # Everything is called the frequent label: accuracy .9, macro F1 about .47.
    task = TaskScore(
        task="t",
        kind="classify",
        metric="macro_f1",
        value=0.473684,
        metrics={},
        samples=60,
        groups=names,
        sample_values=(labels == 0).astype(float).tolist(),
        labels=labels.tolist(),
        predicted=[0] * 60,
    )
    score = dataclasses.replace(
        domain_score({"t": rng.random(60)}, {"t": names}), tasks={"t": task}
    )
    found = score_interval(score, **SETTINGS)
    assert found.low < 0.473684 < found.high < 0.5


def test_an_interval_needs_nearly_all_draws_defined():
    values = np.linspace(0, 1, 101)
    found = percentile_interval(values, 0.9)
    assert (found.low, found.high) == pytest.approx((0.05, 0.95))
    values[:11] = np.nan
    assert percentile_interval(values, 0.9) is None
    assert percentile_interval(np.full(5, np.nan), 0.9) is None
