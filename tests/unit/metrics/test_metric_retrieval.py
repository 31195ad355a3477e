from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score, top_k_accuracy_score

from transferlab.core.records import AnswerRank, Prediction, Sample
from transferlab.metrics.answers import METRICS, Outcomes, check_metrics, measure
from transferlab.metrics.retrieval import (
    chance,
    distinct,
    mean_rank,
    rank_of,
    recall_at,
    reciprocal_rank,
    weighted_median,
)

ASKED = Sample(id="s", domain="d", task="t", kind="retrieve", media=(), prompt="Which?", answer="a")


def outcomes(name, ranks):
    found = [Prediction(sample=ASKED, text="a", rank=rank) for rank in ranks]
    values = np.array([METRICS[name].sample_value(one) for one in found])
    none = np.zeros(0, np.int64)
    return Outcomes(values=values, labels=none, predicted=none, margins=none.astype(float))


def test_without_ties_they_agree_with_sklearn():
    rng = np.random.default_rng(0)
    scores, own = rng.normal(size=(40, 12)), rng.integers(12, size=40)
    answer_ranks = [rank_of(row, at) for row, at in zip(scores, own, strict=True)]
    for k in (1, 5, 10):
        expected = top_k_accuracy_score(own, scores, k=k, labels=range(12))
        name = f"recall_at_{k}"
        assert measure(name, outcomes(name, answer_ranks)) == pytest.approx(expected)
    right = np.eye(12)[own]
    expected = label_ranking_average_precision_score(right, scores)
    assert measure("mrr", outcomes("mrr", answer_ranks)) == pytest.approx(expected)
    ranks = [(row > row[at]).sum() + 1 for row, at in zip(scores, own, strict=True)]
    assert measure("median_rank", outcomes("median_rank", answer_ranks)) == np.median(ranks)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=6), st.data())
def test_ties_count_as_the_mean_over_all_their_orders(scores, data):
    own = data.draw(st.integers(0, len(scores) - 1))
    ranks = []
    for order in permutations(range(len(scores))):  # of equals, the one that stands first wins
        ranked = sorted(order, key=lambda at: -scores[at])
        ranks.append(ranked.index(own) + 1)
    place = rank_of(np.array(scores, float), own)
    for k in (1, 2, 5):
        assert recall_at(k)(place) == pytest.approx(np.mean(np.array(ranks) <= k))
    assert reciprocal_rank(place) == pytest.approx(np.mean(1 / np.array(ranks)))
    assert mean_rank(place) == pytest.approx(np.mean(ranks))


def test_chance_is_what_is_known_of_it_and_what_diverged_gets_no_more():
    place = chance(20)
    assert (recall_at(1)(place), recall_at(5)(place)) == (1 / 20, 5 / 20)
    assert recall_at(10)(chance(4)) == 1.0
    assert reciprocal_rank(place) == pytest.approx(sum(1 / r for r in range(1, 21)) / 20)
    assert mean_rank(place) == 10.5
    assert rank_of(np.full(20, np.nan), 3) == place
    assert rank_of(np.array([np.nan, 0.1]), 0) == AnswerRank(better=1, equal=1, candidates=2)


def test_a_weighted_median_is_that_of_values_written_out():
    rng = np.random.default_rng(0)
    values, weights = rng.integers(1, 9, size=15).astype(float), rng.integers(0, 4, size=(20, 15))
    expected = [np.median(np.repeat(values, row)) for row in weights]
    np.testing.assert_allclose(weighted_median(values, weights.astype(float)), expected)
    assert np.isnan(weighted_median(values, np.zeros((1, 15)))).all()
    assert np.isnan(weighted_median(np.zeros(0), np.zeros((1, 0)))).all()


def test_candidates_are_every_answer_once():
    assert distinct(["b", "a", "b"]) == distinct(["a", "a", "b"]) == ("a", "b")


def test_only_their_own_metrics_fit_and_a_rank_is_no_score():
    assert check_metrics("retrieve", ["recall_at_1", "mrr", "median_rank"]) == []
    (unfit,) = check_metrics("retrieve", ["accuracy"])
    assert "which a retrieve task does not have; use one of: recall_at_1" in unfit
    (unfit,) = check_metrics("describe", ["mrr"])
    assert "'mrr' is for the rank of an answer among all of them" in unfit
    (first,) = check_metrics("retrieve", ["median_rank", "mrr"])
    assert "'median_rank' cannot be the first" in first
