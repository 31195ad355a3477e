"""Intervals over test groups and seeds: what they become with one seed, and how often they hold."""

import numpy as np
import pytest
from scipy import stats

from transferlab.metrics.intervals import difference_interval, score_interval
from transferlab.metrics.seeds import (
    covers_seeds,
    difference_over_seeds,
    mean_over_seeds,
    student_interval,
)

GROUPS = {"t": [f"g{at // 4}" for at in range(80)]}


@pytest.fixture
def trained(domain_score):
    """Scores at several seeds: each seed, and each group, has an ease of its own."""

    def make(rng, mean, seeds, ease):
        scores = []
        for _ in range(seeds):
            luck = rng.normal(0, 0.05)
            chance = np.clip(mean + luck + np.repeat(ease, 4), 0, 1)
            values = (rng.random(80) < chance).astype(float)
            scores.append(domain_score({"t": values}, GROUPS))
        return scores

    return make


def test_with_one_seed_they_are_the_intervals_of_one_training(trained):
    rng = np.random.default_rng(0)
    ease = rng.normal(0, 0.1, 20)
    (one,), (two,) = trained(rng, 0.5, 1, ease), trained(rng, 0.6, 1, ease)
    assert not covers_seeds([one], [two])
    alone, _ = score_interval(one, confidence=0.95)
    found, _ = mean_over_seeds([one], confidence=0.95)
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))
    pair, _ = difference_interval(two, one, confidence=0.95)
    found, _ = difference_over_seeds([two], [one], confidence=0.95)
    assert (found.low, found.high) == pytest.approx((pair.low, pair.high))


def test_they_hold_the_truth_as_often_as_they_say(trained):
    rng, held, mean_held = np.random.default_rng(1), 0, 0
    for _ in range(200):
        ease = rng.normal(0, 0.1, 20)
        here, there = trained(rng, 0.6, 3, ease), trained(rng, 0.5, 3, ease)
        found, _ = difference_over_seeds(here, there, confidence=0.95)
        held += found.low <= 0.1 <= found.high
        found, _ = mean_over_seeds(there, confidence=0.95)
        mean_held += found.low <= 0.5 <= found.high
    assert held >= 184
    assert mean_held >= 184


def test_seeds_that_disagree_widen_it(domain_score):
    values = np.tile([1.0, 0.0], 40)
    same = [domain_score({"t": values}, GROUPS) for _ in range(3)]
    apart = [
        domain_score({"t": np.roll(values, 1) if at else values * 0}, GROUPS) for at in range(3)
    ]
    widths = []
    for scores in (same, apart):
        found, _ = mean_over_seeds(scores, confidence=0.95)
        widths.append(found.high - found.low)
    assert widths[1] > 2 * widths[0]


def test_too_few_groups_have_none(domain_score):
    few = domain_score({"t": [1.0, 0.0]}, {"t": ["a", "b"]})
    found, reason = difference_over_seeds([few, few], [few, few], confidence=0.95)
    assert found is None
    assert "2 test group(s)" in reason


def test_the_interval_of_one_number_per_seed_is_that_of_scipy():
    values = [0.1, 0.15, 0.12, 0.3]
    found = student_interval(values, confidence=0.9)
    low, high = stats.t.interval(0.9, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert student_interval([0.1], confidence=0.9) is None
