"""Which arm is ahead: chosen and compared on the same scores, and no surer for that."""

import numpy as np
import pytest

from transferlab.core.records import DomainScore, TaskScore
from transferlab.evaluation.leads import MODELS, leads
from transferlab.metrics.intervals import mean_difference_interval


def scored(values, domain="chest"):
    groups = [f"g{index}" for index in range(len(values))]
    task = TaskScore(
        task="view", kind="describe", metric="token_f1", value=float(np.mean(values)),
        metrics={}, samples=len(values), groups=groups, sample_values=list(values),
    )  # fmt: skip
    return DomainScore(domain=domain, value=task.value, metric="token_f1", tasks={"view": task})


def found(scores, stream=("chest",), same=()):
    trained_by = {arm: arm for arm in scores} | dict(same)
    return leads(scores, stream, trained_by=trained_by, confidence=0.95)


def noise(seed, groups=40):
    return np.random.default_rng(seed).random(groups)


def test_the_best_arm_is_compared_with_the_next_of_another_training():
    scores = {
        "zero_shot": {"chest": scored(noise(0) * 0.5)},
        "single": {"chest": scored(noise(1) + 0.2)},
        "sequential": {"chest": scored(noise(1) + 0.2)},
    }
    one, _ = found(scores, same={"single": "sequential"})
    assert (one.arm, one.over, one.groups) == ("single", "zero_shot", 40)
    assert list(one.means) == ["single", "sequential", "zero_shot"]
    assert one.value == pytest.approx(one.means["single"] - one.means["zero_shot"])
    assert one.interval.low > 0
    assert one.interval.confidence == pytest.approx(0.95)


def test_one_training_is_ahead_of_nothing():
    scores = {"single": {"chest": scored(noise(1))}, "joint": {"chest": scored(noise(1))}}
    for one in found(scores, same={"joint": "single"}):
        assert (one.over, one.value, one.interval) == (None, None, None)


def test_over_the_stream_only_models_count_that_were_scored_on_all_of_it():
    scores = {
        "scratch": {"chest": scored(noise(1) + 0.9), "films": scored(noise(2) + 0.9, "films")},
        "single": {"chest": scored(noise(1) + 0.5)},
        "joint": {"chest": scored(noise(3)), "films": scored(noise(4) + 0.3, "films")},
        "sequential": {"chest": scored(noise(5)), "films": scored(noise(6), "films")},
    }
    *by_domain, whole = found(scores, stream=("chest", "films"))
    assert [one.domain for one in by_domain] == ["chest", "films"]
    assert by_domain[0].arm == "scratch"
    assert (whole.domain, whole.arm, whole.over) == (None, "joint", "sequential")
    expected, _ = mean_difference_interval(
        list(scores["joint"].values()), list(scores["sequential"].values()), confidence=0.95
    )
    assert whole.interval == expected


def test_too_few_groups_give_a_reason_and_no_interval():
    scores = {arm: {"chest": scored(noise(seed, 2))} for seed, arm in enumerate("ab")}
    (one,) = found(scores)
    assert one.interval is None
    assert "2 test group" in one.reason


@pytest.mark.parametrize("arms", [2, 3, 4])
def test_of_equal_arms_one_is_seldom_called_ahead_however_many_there_are(arms):
    """Though the best is chosen by the same scores."""
    ahead = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        one, _ = found({arm: {"chest": scored(rng.random(40))} for arm in MODELS[:arms]})
        ahead += one.interval.low > 0
    assert ahead <= 300 * 0.05


def test_a_lead_that_there_is_is_found():
    """The rule is not merely silent."""
    ahead = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        one, _ = found({
            "joint": {"chest": scored(np.clip(rng.normal(0.7, 0.2, 40), 0, 1))},
            "single": {"chest": scored(np.clip(rng.normal(0.5, 0.2, 40), 0, 1))},
        })  # fmt: skip
        ahead += one.arm == "joint" and one.interval.low > 0
    assert ahead >= 90
