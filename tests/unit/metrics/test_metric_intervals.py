"""Intervals over test groups: how wide they are, and how often they hold the truth."""

import dataclasses

import numpy as np
import pytest

from transferlab.core.records import TaskScore
from transferlab.metrics.answers import Outcomes, measure
from transferlab.metrics.groups import MAX_UNITS, group_values
from transferlab.metrics.intervals import (
    DIFFERENCE,
    SCORE,
    GroupMean,
    difference_interval,
    interval_of_mean,
    score_interval,
)


def interval(score, confidence=0.95):
    found, reason = score_interval(score, confidence=confidence)
    assert reason == ""
    return found


def closed(domain_score, labels, predicted, groups, *, metric, margins=()):
    outcomes = Outcomes(
        values=(labels == predicted).astype(float),
        labels=labels,
        predicted=predicted,
        margins=np.asarray(margins, float),
    )
    task = TaskScore(
        task="t",
        kind="classify",
        metric=metric,
        value=measure(metric, outcomes),
        metrics={},
        samples=len(labels),
        groups=list(groups),
        sample_values=outcomes.values.tolist(),
        labels=labels.tolist(),
        predicted=predicted.tolist(),
        margins=list(margins),
    )
    some = domain_score({"t": outcomes.values}, {"t": list(groups)})
    return dataclasses.replace(some, value=task.value, tasks={"t": task})


def test_with_many_groups_it_is_the_cluster_standard_error(domain_score):
    rng = np.random.default_rng(1)
    chance = np.clip(rng.normal(0.6, 0.25, 200), 0, 1)
    names = [f"g{index}" for index in range(200) for _ in range(5)]
    values = (rng.random(1000) < np.repeat(chance, 5)).astype(float)
    score = domain_score({"t": values}, {"t": names})
    found = interval(score)
    error = values.reshape(200, 5).mean(axis=1).std(ddof=1) / np.sqrt(200)
    assert found.low == pytest.approx(score.value - 1.96 * error, abs=0.006)
    assert found.high == pytest.approx(score.value + 1.96 * error, abs=0.006)
    # Samples of a group go together: taking them for independent would be too narrow.
    alone = interval(domain_score({"t": values}, {"t": [str(i) for i in range(1000)]}))
    assert found.high - found.low > 1.2 * (alone.high - alone.low)


@pytest.mark.parametrize("groups", [5, 10, 30])
@pytest.mark.parametrize(("mean", "unequal"), [(0.5, False), (0.8, True), (0.95, False)])
def test_scores_and_paired_differences_are_covered_also_with_few_groups(
    domain_score, groups, mean, unequal
):
    rng = np.random.default_rng(groups)
    covered = np.zeros(2)
    for _ in range(300):
        sizes = 1 + rng.poisson(4, groups) if unequal else np.full(groups, 4)
        of = np.repeat(np.arange(groups), sizes)
        chance = rng.beta(2 * mean, 2 * (1 - mean), groups)[of]
        luck = rng.random(len(of))
        names = {"t": [f"g{index}" for index in of]}
        here = domain_score({"t": (luck < chance).astype(float)}, names)
        there = domain_score({"t": (luck < 0.8 * chance).astype(float)}, names)
        found, gain = interval(here), difference_interval(here, there, confidence=0.95)[0]
        assert found.low <= here.value <= found.high
        covered += found.low <= mean <= found.high, gain.low <= 0.2 * mean <= gain.high
    # Of 300 repetitions at 95 %, the standard error is 1.3 %. A percentile bootstrap covers 35 to
    # 90 % of these at five groups.
    assert covered.min() / 300 >= 0.94


@pytest.mark.parametrize("metric", ["auroc", "macro_f1"])
def test_metrics_that_are_no_means_are_covered_too(domain_score, metric):
    def drawn(groups):
        of = np.repeat(np.arange(groups), 1 + rng.poisson(4, groups))
        labels = (rng.random(len(of)) < 0.4).astype(int)
        margins = rng.normal(0, 0.7, groups)[of] + rng.normal(1.6 * (labels - 0.5), 1)
        return labels, (margins > 0).astype(int), of, margins

    rng = np.random.default_rng(7)
    labels, predicted, of, margins = drawn(20_000)
    truth = measure(
        metric,
        Outcomes(
            values=labels * 1.0, labels=labels, predicted=predicted, margins=margins
        ),
    )  # fmt: skip
    covered = []
    for _ in range(150):
        labels, predicted, of, margins = drawn(8)
        score = closed(
            domain_score, labels, predicted, [f"g{i}" for i in of], metric=metric, margins=margins
        )
        found, reason = score_interval(score, confidence=0.95)
        if found is None:
            assert "one test group only" in reason
        else:
            covered.append(found.low <= truth <= found.high)
    assert len(covered) > 130
    assert np.mean(covered) >= 0.92


def test_groups_that_are_all_right_prove_no_perfect_model(domain_score):
    for groups, bound in ((5, 0.55), (20, 0.87), (100, 0.975)):
        names = {"t": [f"g{index}" for index in range(groups)]}
        right = domain_score({"t": [1.0] * groups}, names)
        found = interval(right)
        assert 0.4 < found.low < bound
        assert found.high == 1.0
        gain = difference_interval(right, right, confidence=0.95)[0]
        unseen = 1 - 0.025 ** (1 / groups)
        assert (gain.low, gain.high) == pytest.approx((-unseen, unseen))


def test_the_mean_over_domains_keeps_each_ones_side():
    even = GroupMean(by_group=np.array([0.4, 0.5, 0.6] * 4), degrees=11, limits=SCORE)
    right = GroupMean(by_group=np.ones(12), degrees=11, limits=SCORE)
    both = interval_of_mean([even, right], 0.95)
    below, above = even.margins(0.95)
    assert both.high == pytest.approx(0.75 + above / 2)
    assert both.low == pytest.approx(0.75 - np.hypot(below, right.margins(0.95)[0]) / 2)
    assert right.margins(0.95)[1] == 0.0
    flat = GroupMean(by_group=np.full(12, 0.25), degrees=11, limits=DIFFERENCE)
    assert interval_of_mean([flat], 0.95).low == pytest.approx(
        0.25 - 1.25 * (1 - 0.025 ** (1 / 12))
    )


def test_a_group_is_left_out_of_all_its_tasks(domain_score):
    names = [f"g{index}" for index in range(12)]
    values = np.random.default_rng(3).random(12)
    both = domain_score({"a": values, "b": 1 - values}, {"a": names, "b": names})
    found = group_values([both])
    np.testing.assert_allclose(found.table, 0.5)  # the two tasks cancel within every group
    assert found.degrees == 11


def test_the_task_with_fewest_groups_decides(domain_score):
    many, few = [f"g{index}" for index in range(12)], ["g0", "g1", "g2"] * 4
    values = np.random.default_rng(3).random(12)
    both = domain_score({"a": values, "b": values}, {"a": many, "b": few})
    assert score_interval(both, confidence=0.95) == (
        None,
        "task 'b' of chest has 3 test group(s), and an interval needs 5",
    )


def test_a_label_of_one_group_leaves_balanced_metrics_without_an_interval(domain_score):
    labels, predicted = np.array([0, 0, 0, 0, 0, 1]), np.array([0, 0, 1, 0, 0, 1])
    groups = list("abcdef")
    score = closed(domain_score, labels, predicted, groups, metric="balanced_accuracy")
    found, reason = score_interval(score, confidence=0.95)
    assert found is None
    assert reason == (
        "task 't' of chest has a label that occurs in one test group only, and balanced_accuracy "
        "weighs labels"
    )
    assert score_interval(
        closed(domain_score, labels, predicted, groups, metric="accuracy"), confidence=0.95
    )[0]


def test_samples_without_a_group_count_as_groups_of_one(domain_score):
    values = np.random.default_rng(7).random(60)
    found = interval(domain_score({"t": values}, {"t": [""] * 60}))
    error = values.std(ddof=1) / np.sqrt(60)
    assert found.high - found.low == pytest.approx(2 * 2.0 * error, rel=0.1)


def test_very_many_groups_are_dealt_into_units(domain_score):
    values = np.random.default_rng(7).random(3000)
    score = domain_score({"t": values}, {"t": [""] * 3000})
    assert group_values([score]).table.shape == (1, MAX_UNITS)
    found = interval(score)
    error = values.std(ddof=1) / np.sqrt(3000)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.15)
