"""Scores by attribute: against scikit-learn, what few groups may say, and how often gaps err."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from transferlab.core.records import TaskScore
from transferlab.metrics.answers import Outcomes, measure
from transferlab.metrics.groups import MIN_GROUPS
from transferlab.metrics.intervals import score_interval
from transferlab.metrics.subgroups import NOT_GIVEN, POOLED, pool_rare, score_by_value


def names(count, prefix="g"):
    return [f"{prefix}{at}" for at in range(count)]


def closed(domain_score, labels, predicted, groups, *, metric):
    right = (labels == predicted).astype(float)
    outcomes = Outcomes(values=right, labels=labels, predicted=predicted, margins=np.zeros(0))
    task = TaskScore(
        task="t",
        kind="classify",
        metric=metric,
        value=measure(metric, outcomes),
        metrics={},
        samples=len(labels),
        groups=groups,
        sample_values=right.tolist(),
        labels=labels.tolist(),
        predicted=predicted.tolist(),
    )
    whole = domain_score({"t": right}, {"t": groups})
    return dataclasses.replace(whole, value=task.value, tasks={"t": task})


def test_each_value_is_scored_as_if_it_were_the_whole_task(domain_score):
    rng = np.random.default_rng(3)
    values, sexes = rng.random(60), np.array(["F", "M", "M"] * 20)
    groups = names(60)
    found = score_by_value(
        domain_score({"t": values}, {"t": groups}), "t", sexes.tolist(), confidence=0.9
    )
    assert list(found.by_value) == ["F", "M"]
    for sex, scored in found.by_value.items():
        part = values[sexes == sex]
        alone = domain_score(
            {"t": part}, {"t": [groups[at] for at in np.flatnonzero(sexes == sex)]}
        )
        assert scored.value == pytest.approx(part.mean())
        assert (scored.interval, scored.reason) == score_interval(alone, confidence=0.9)
        assert scored.samples == scored.groups == len(part)
    best, worst = max("FM", key=lambda s: found.by_value[s].value), found.gap.worst
    assert (found.gap.best, {best, worst}) == (best, {"F", "M"})
    assert found.gap.value == pytest.approx(
        abs(values[sexes == "F"].mean() - values[sexes == "M"].mean())
    )


def test_a_metric_that_is_no_mean_is_scored_by_its_own_rule(domain_score):
    rng = np.random.default_rng(4)
    labels, predicted = rng.integers(0, 3, 120), rng.integers(0, 3, 120)
    views = np.array(["AP", "PA"] * 60)
    score = closed(domain_score, labels, predicted, names(120), metric="balanced_accuracy")
    found = score_by_value(score, "t", views.tolist(), confidence=0.95)
    for view, scored in found.by_value.items():
        rows = views == view
        assert scored.value == pytest.approx(balanced_accuracy_score(labels[rows], predicted[rows]))
        assert scored.interval.low < scored.value < scored.interval.high


def test_where_a_label_is_lacking_nothing_is_compared(domain_score):
    labels = np.array([0, 1] * 10 + [0] * 10)
    score = closed(domain_score, labels, labels, names(30), metric="balanced_accuracy")
    found = score_by_value(score, "t", ["a"] * 20 + ["b"] * 10, confidence=0.95)
    assert found.by_value["a"].value == 1.0
    assert found.by_value["b"].value is None
    assert "not every label occurs" in found.by_value["b"].reason
    assert found.gap.value is None


def test_rare_values_are_pooled_by_groups_and_not_by_samples():
    values = ["rare"] * 40 + ["common"] * MIN_GROUPS + [""] * MIN_GROUPS
    groups = ["one", "two", "three", "four"] * 10 + names(2 * MIN_GROUPS)
    shown = pool_rare(values, groups)
    assert shown == [POOLED] * 40 + ["common"] * MIN_GROUPS + [NOT_GIVEN] * MIN_GROUPS


def test_few_groups_say_nothing(domain_score):
    values, groups = [1.0] * 24, [*names(20), *names(4, "few")]
    by = ["a"] * 10 + ["b"] * 10 + ["Anna"] * 4
    found = score_by_value(domain_score({"t": values}, {"t": groups}), "t", by, confidence=0.95)
    assert list(found.by_value) == ["a", "b", POOLED]  # last, and without the name
    few = found.by_value[POOLED]
    assert (few.value, few.interval, few.groups) == (None, None, 4)
    assert few.reason.startswith("too few to say: 4 test group(s)")
    assert {found.gap.best, found.gap.worst} == {"a", "b"}
    assert (found.gap.value, found.gap.interval.low <= 0) == (0.0, True)


def test_one_value_has_no_gap(domain_score):
    score = domain_score({"t": [1.0, 0.0] * 5}, {"t": names(10)})
    found = score_by_value(score, "t", ["a"] * 10, confidence=0.95)
    assert found.gap.interval is None
    assert found.gap.reason.startswith("too few to say")


def test_samples_without_a_group_stand_for_themselves(domain_score):
    score = domain_score({"t": [1.0, 0.0] * 6}, {"t": [""] * 12})
    found = score_by_value(score, "t", ["a", "b"] * 6, confidence=0.95)
    assert [one.groups for one in found.by_value.values()] == [6, 6]
    assert found.gap.interval.low > 0


@pytest.mark.parametrize("kinds", [2, 6])
def test_where_there_is_no_gap_one_is_seldom_shown(domain_score, kinds):
    """95 %: of 200 draws without a gap at most 5 % and two standard errors show one."""
    rng = np.random.default_rng(kinds)
    shown = 0
    groups, by = names(kinds * 12), [f"v{at % kinds}" for at in range(kinds * 12)]
    for _ in range(200):
        values = (rng.random(len(by)) < 0.6).astype(float)
        found = score_by_value(domain_score({"t": values}, {"t": groups}), "t", by, confidence=0.95)
        shown += found.gap.interval.low > 0
    assert shown <= 200 * 0.05 + 2 * np.sqrt(200 * 0.05 * 0.95)


def test_a_wide_gap_is_shown(domain_score):
    rng = np.random.default_rng(5)
    by = ["a", "b"] * 60
    values = [float(rng.random() < (0.9 if one == "a" else 0.4)) for one in by]
    found = score_by_value(domain_score({"t": values}, {"t": names(120)}), "t", by, confidence=0.95)
    assert (found.gap.best, found.gap.worst) == ("a", "b")
    assert 0 < found.gap.interval.low < found.gap.value < found.gap.interval.high
