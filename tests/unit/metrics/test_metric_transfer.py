import numpy as np
import pytest

from transferlab.metrics.transfer import transfer_gain


def grouped(rng, *, groups=40, each=5, mean=0.6):
    """Correct-or-not values whose chance of being right belongs to the group."""
    chance = np.clip(rng.normal(mean, 0.25, groups), 0, 1)
    names = [f"g{index}" for index in range(groups) for _ in range(each)]
    return names, (rng.random(groups * each) < np.repeat(chance, each)).astype(float)


def gain_of(one, other):
    return transfer_gain(one, other, arm="single", over="scratch", confidence=0.95)


def test_shared_difficulty_cancels_in_a_paired_gain(domain_score):
    rng = np.random.default_rng(4)
    names, values = grouped(rng)
    better = np.clip(values + 0.1, 0, None)
    better += np.repeat(rng.normal(0, 0.01, 40), 5)
    one, two = (domain_score({"t": v}, {"t": names}) for v in (better, values))
    gain = gain_of(one, two)
    assert gain.value == pytest.approx(0.1, abs=0.01)
    # Not paired, it would reach .17 to both sides.
    assert 0.09 < gain.interval.low < gain.value < gain.interval.high < 0.12
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
    gain = gain_of(one, two)
    assert gain.negative_transfer is negative
    assert gain.value == pytest.approx(one.value - two.value)


def test_few_groups_give_a_gain_without_an_interval(domain_score):
    names = ["g0", "g1", "g2", "g3"] * 10
    one = domain_score({"t": np.zeros(40)}, {"t": names})
    two = domain_score({"t": np.ones(40)}, {"t": names})
    gain = gain_of(one, two)
    assert gain.value == -1.0
    assert gain.interval is None
    assert gain.reason == "task 't' of chest has 4 test group(s), and an interval needs 5"
    assert gain.negative_transfer is False


def test_scores_of_other_samples_cannot_be_paired(domain_score):
    one = domain_score({"t": [0.0] * 6}, {"t": list("abcdef")})
    for other in (
        domain_score({"t": [0.0] * 6}, {"t": list("abcdeg")}),
        domain_score({"u": [0.0] * 6}, {"u": list("abcdef")}),
        domain_score({"t": [0.0] * 6}, {"t": list("abcdef")}, "lectures"),
    ):
        with pytest.raises(ValueError, match="paired"):
            gain_of(one, other)
