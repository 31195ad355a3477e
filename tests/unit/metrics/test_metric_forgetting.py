"""Forgetting, corrected for the bias of a maximum."""

import numpy as np
import pytest

from transferlab.metrics.continual import forgetting
from transferlab.metrics.forgetting import corrected_forgetting
from transferlab.metrics.groups import GroupValues
from transferlab.metrics.intervals import DIFFERENCE, GroupMean, interval_of_mean

DOMAINS = 4


def answers(rng, chances, *, groups, each=4):
    """(T + 1, G) shares of right answers; what is hard is hard after every step, and a step changes
    single answers by luck."""
    rows = len(chances)
    hard = rng.normal(0, 0.5, (1, groups, 1)) + rng.normal(0, 0.7, (1, groups, each))
    luck = rng.normal(0, 0.3, (rows, groups, 1)) + rng.normal(0, 0.6, (rows, groups, each))
    spread = np.sqrt(0.5**2 + 0.7**2 + 0.3**2 + 0.6**2)
    # Quantiles of the normal distribution: .4, .7, .8 and .85.
    bound = {0.4: -0.2533, 0.7: 0.5244, 0.8: 0.8416, 0.85: 1.0364}
    wanted = np.array([bound[one] for one in chances])[:, None, None] * spread
    return (hard + luck < wanted).mean(axis=2)


def corrected(tables, *, seed=0, halvings=50):
    given = [GroupValues(table=one, degrees=one.shape[1] - 1) for one in tables]
    return corrected_forgetting(given, halvings=halvings, confidence=0.95, seed=seed)


def flat(_):
    return [0.7] * (DOMAINS + 1)


def learned_and_kept(domain):
    return [0.4] * (domain + 1) + [0.8] * (DOMAINS - domain)


def learned_and_lost(domain):
    return [0.4] * (domain + 1) + [0.85] * (DOMAINS - domain - 1) + [0.7]


@pytest.mark.parametrize("groups", [6, 20])
@pytest.mark.parametrize(
    ("chances", "truth"), [(flat, 0.0), (learned_and_kept, 0.0), (learned_and_lost, 0.15)]
)
def test_the_interval_covers_whether_or_not_something_is_forgotten(groups, chances, truth):
    rng = np.random.default_rng(groups)
    values, plain, covered, above = [], [], [], []
    for repetition in range(120):
        tables = [answers(rng, chances(domain), groups=groups) for domain in range(DOMAINS - 1)]
        found = corrected(tables, seed=repetition)
        means = np.zeros((DOMAINS + 1, DOMAINS))
        means[:, : DOMAINS - 1] = np.stack([one.mean(axis=1) for one in tables], axis=1)
        values.append(found.value)
        plain.append(forgetting(means))
        covered.append(found.interval.low <= truth <= found.interval.high)
        above.append(found.interval.low > truth)
        assert found.interval.low <= plain[-1] <= found.interval.high
    assert np.mean(covered) >= 0.94
    assert np.mean(above) <= 0.05
    if chances is flat:
        assert abs(np.mean(values)) < 0.012
        assert np.mean(plain) > 0.03


def test_a_clear_best_row_is_the_one_that_is_measured():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, (3, 20))
    noise -= noise.mean(axis=1, keepdims=True)
    found = corrected([np.array([[0.2], [0.9], [0.7]]) + noise])
    assert found.value == pytest.approx(0.2, abs=1e-9)
    assert 0.16 < found.interval.low < 0.2 < found.interval.high < 0.24


def test_a_model_that_never_changes_forgets_nothing_as_far_as_its_groups_show():
    found = corrected([np.tile(np.random.default_rng(0).random(10), (4, 1))])
    assert found.value == 0.0
    unseen = 1 - 0.025 ** (1 / 10)
    assert (found.interval.low, found.interval.high) == pytest.approx((-unseen, unseen))


def test_the_upper_end_is_the_highest_over_all_choices_of_rows():
    rng = np.random.default_rng(3)
    tables = [answers(rng, flat(0), groups=12) for _ in range(3)]
    found = corrected(tables).interval.high
    means = [one[:-1] - one[-1] for one in tables]
    ends = []
    for choice in np.ndindex(DOMAINS, DOMAINS, DOMAINS):
        rows = [of[row] for of, row in zip(means, choice, strict=True)]
        parts = [GroupMean(by_group=row, degrees=11, limits=DIFFERENCE) for row in rows]
        ends.append(interval_of_mean(parts, 0.95).high)
    assert found == pytest.approx(max(ends))


def test_equal_calls_give_equal_numbers():
    rng = np.random.default_rng(5)
    tables = [answers(rng, flat(0), groups=9)]
    assert corrected(tables, seed=1) == corrected(tables, seed=1)
    assert corrected(tables, seed=1) != corrected(tables, seed=2)
