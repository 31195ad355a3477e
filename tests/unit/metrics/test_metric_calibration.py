"""Calibration against scikit-learn's Brier score and a plain computation of the error."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from transferlab.metrics.calibration import BINS, calibration, calibration_errors


def drawn(choices, samples=300, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (samples, choices))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return logits - 40.0, chances, rng.integers(0, choices, samples)


def test_brier_of_two_choices_is_that_of_scikit_learn():
    logits, chances, right = drawn(2)
    found = calibration(logits.tolist(), right.tolist())["brier"]
    assert found == pytest.approx(brier_score_loss(right, chances[:, 1]), abs=1e-12)


def test_brier_of_many_choices_is_half_that_of_scikit_learn():
    logits, chances, right = drawn(4)
    expected = brier_score_loss(right, chances, labels=range(4), scale_by_half=True)
    assert calibration(logits.tolist(), right.tolist())["brier"] == pytest.approx(expected)


def test_the_error_is_the_weighted_gap_of_fifteen_bins_of_equal_mass():
    logits, chances, right = drawn(3)
    confidence, correct = chances.max(axis=1), chances.argmax(axis=1) == right
    total = 0.0
    for rows in np.array_split(np.argsort(confidence), 15):  # 20 samples each
        total += len(rows) / 300 * abs(confidence[rows].mean() - correct[rows].mean())
    assert calibration(logits.tolist(), right.tolist())["ece"] == pytest.approx(total)


def test_equal_confidences_share_a_bin_in_any_order():
    correct = np.array([True] * 60 + [False] * 40)
    for order in (correct, correct[::-1], np.random.default_rng(1).permutation(correct)):
        assert calibration_errors(np.full(100, 0.6), order[None])[0] == pytest.approx(0.0)


def test_fewer_samples_than_bins():
    confidences = np.array([0.9, 0.6])
    found = calibration_errors(confidences, np.array([[True, False]]))
    assert BINS > 2
    assert found[0] == pytest.approx((0.1 + 0.6) / 2)


def test_samples_may_offer_different_choices():
    found = calibration([[0.0, 0.0], [0.0, 0.0, 0.0, -1e9]], [0, 2])
    assert found["brier"] == pytest.approx((0.25 + (4 / 9 + 1 / 9 + 1 / 9) / 2) / 2)


def test_a_calibrated_model_is_as_good_as_chance_lets_it_be_and_a_boaster_is_not():
    rng = np.random.default_rng(2)
    chances = rng.uniform(0.5, 1.0, 400)
    right = (rng.random(400) > chances).astype(int)  # 0, the likelier choice, as often as it says
    logits = np.log(np.stack([chances, 1 - chances], axis=1))
    honest = calibration(logits.tolist(), right.tolist())
    assert 0.03 < honest["ece_if_calibrated"] < 0.12
    assert honest["ece"] == pytest.approx(honest["ece_if_calibrated"], abs=0.04)
    boaster = calibration((logits * 5).tolist(), right.tolist())
    assert boaster["ece"] > boaster["ece_if_calibrated"] + 0.1
    assert boaster["brier"] > honest["brier"]
