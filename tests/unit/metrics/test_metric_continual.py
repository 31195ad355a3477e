import numpy as np
import pytest

from transferlab.metrics.continual import (
    average_accuracy,
    backward_transfer,
    forgetting,
    forgetting_by_domain,
    forward_transfer,
    plasticity,
    source_retention,
    stability,
)

# Rows: pretrained, after a, after b, after c. Worked by hand below.
SCORES = [
    [0.20, 0.10, 0.30],
    [0.90, 0.25, 0.35],
    [0.70, 0.80, 0.40],
    [0.60, 0.85, 0.95],
]


def test_summaries_of_a_matrix_worked_by_hand():
    assert average_accuracy(SCORES) == pytest.approx((0.60 + 0.85 + 0.95) / 3)
    assert backward_transfer(SCORES) == pytest.approx(((0.60 - 0.90) + (0.85 - 0.80)) / 2)
    references = [9.9, 0.50, 0.20]  # the first is not read
    expected = ((0.25 - 0.50) + (0.40 - 0.20)) / 2
    assert forward_transfer(SCORES, references) == pytest.approx(expected)
    assert forgetting_by_domain(SCORES) == pytest.approx([0.30, -0.05])
    assert forgetting(SCORES) == pytest.approx(0.125)
    assert source_retention([0.8, 0.7, 0.75, 0.5]) == pytest.approx(-0.3)


def test_losing_what_the_pretrained_backbone_could_is_forgetting():
    scores = [[0.9, 0.1], [0.5, 0.1], [0.4, 0.6]]
    assert forgetting(scores) == pytest.approx(0.5)


def test_draws_on_a_third_axis_give_the_same_as_one_by_one():
    rng = np.random.default_rng(0)
    drawn, references = rng.random((4, 3, 11)), rng.random((3, 11))
    for summary in (average_accuracy, backward_transfer, forgetting):
        one_by_one = [summary(drawn[:, :, b]) for b in range(11)]
        np.testing.assert_allclose(summary(drawn), one_by_one)
    one_by_one = [forward_transfer(drawn[:, :, b], references[:, b]) for b in range(11)]
    np.testing.assert_allclose(forward_transfer(drawn, references), one_by_one)


def test_a_model_that_never_changes_neither_forgets_nor_transfers():
    scores = [[0.4, 0.6, 0.5]] * 4
    assert backward_transfer(scores) == pytest.approx(0.0)
    assert forgetting(scores) == pytest.approx(0.0)
    assert forward_transfer(scores, scores[0]) == pytest.approx(0.0)


def test_what_cannot_be_summarised_is_refused():
    with pytest.raises(ValueError, match="one row more"):
        average_accuracy([[0.1, 0.2], [0.3, 0.4]])
    for summary in (backward_transfer, forgetting):
        with pytest.raises(ValueError, match="at least 2 domain"):
            summary([[0.1], [0.2]])
    with pytest.raises(ValueError, match=r"references of shape \(3,\)"):
        forward_transfer(SCORES, [0.1])
    with pytest.raises(ValueError, match="at least 2 rows"):
        source_retention([0.5])


def test_what_each_step_gained_and_what_it_cost_those_before_it():
    scores = [[0.1, 0.2, 0.3], [0.6, 0.3, 0.3], [0.5, 0.9, 0.2], [0.2, 0.7, 0.8]]
    assert plasticity(scores) == pytest.approx([0.5, 0.6, 0.6])
    assert stability(scores)[0] is None
    assert stability(scores)[1:] == pytest.approx([-0.1, (-0.3 - 0.2) / 2])
    with_source = stability(scores, [0.9, 0.7, 0.7, 0.1])
    assert with_source == pytest.approx([-0.2, (-0.1 + 0.0) / 2, (-0.3 - 0.2 - 0.6) / 3])
    with pytest.raises(ValueError, match="a source column of 4 rows, got 3"):
        stability(scores, [0.9, 0.7, 0.7])
