import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    roc_auc_score,
)

from transferlab.metrics.answers import (
    METRICS,
    Outcomes,
    check_metrics,
    measure,
    undefined_because,
)

SKLEARN = {
    "accuracy": accuracy_score,
    "balanced_accuracy": balanced_accuracy_score,
    "macro_f1": lambda y, p, sample_weight: f1_score(
        y, p, average="macro", sample_weight=sample_weight, zero_division=0
    ),
}


def outcomes(labels, predicted, margins=()):
    labels, predicted = np.array(labels), np.array(predicted)
    return Outcomes(
        values=(labels == predicted).astype(float),
        labels=labels,
        predicted=predicted,
        margins=np.array(margins, float),
    )


def repeated(found, times):
    """Each sample written out as often as its weight says."""
    at = np.repeat(np.arange(len(times)), times)
    return outcomes(found.labels[at], found.predicted[at])


@pytest.mark.parametrize("name", sorted(SKLEARN))
@pytest.mark.parametrize("classes", [2, 5])
def test_closed_metrics_agree_with_sklearn(name, classes):
    rng = np.random.default_rng(classes)
    found = outcomes(rng.integers(classes, size=60), rng.integers(classes, size=60))
    weights = rng.integers(0, 4, size=(7, 60))
    drawn = METRICS[name].pooled(found, weights.astype(float))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sklearn remarks on predictions of labels that are absent
        expected = []
        for row in weights:
            one = repeated(found, row)
            expected.append(SKLEARN[name](one.labels, one.predicted, sample_weight=None))
        plain = SKLEARN[name](found.labels, found.predicted, sample_weight=None)
    np.testing.assert_allclose(drawn, expected, rtol=1e-12)
    assert measure(name, found) == pytest.approx(plain, rel=1e-12)


def test_auroc_agrees_with_sklearn_ties_and_weights_included():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=80)
    margins = np.round(labels + rng.normal(size=80), 1)  # rounded, so that there are ties
    assert len(np.unique(margins)) < 60
    found = outcomes(labels, (margins > 0).astype(int), margins)
    weights = rng.integers(0, 4, size=(7, 80)).astype(float)
    expected = [roc_auc_score(labels, margins, sample_weight=row) for row in weights]
    np.testing.assert_allclose(METRICS["auroc"].pooled(found, weights), expected, rtol=1e-12)
    assert measure("auroc", found) == pytest.approx(roc_auc_score(labels, margins), rel=1e-12)


def test_auroc_is_one_half_without_information_and_the_same_for_swapped_labels():
    labels = np.array([0, 1, 1, 0, 1])
    assert measure("auroc", outcomes(labels, labels, np.zeros(5))) == 0.5
    margins = np.array([0.3, 0.2, 1.5, -2.0, 0.3])
    swapped = outcomes(1 - labels, 1 - labels, -margins)
    assert measure("auroc", outcomes(labels, labels, margins)) == measure("auroc", swapped)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_closed_metrics_lie_in_range_and_are_one_when_all_is_right(pairs):
    labels, predicted = (np.array(side) for side in zip(*pairs, strict=True))
    for name in SKLEARN:
        assert 0.0 <= measure(name, outcomes(labels, predicted)) <= 1.0
        assert measure(name, outcomes(labels, labels)) == pytest.approx(1.0)


def test_zero_weights_are_undefined_and_not_zero():
    found = outcomes([0, 1], [0, 0], [0.5, 0.1])
    for name, metric in METRICS.items():
        assert np.isnan(metric.pooled(found, np.zeros((1, 2)))[0]), name


@pytest.mark.parametrize(
    ("name", "found", "reason"),
    [
        ("accuracy", outcomes([], []), "no samples"),
        ("auroc", outcomes([0, 1, 2], [0, 1, 2]), "exactly two labels"),
        ("auroc", outcomes([1, 1], [0, 1], [0.1, 0.2]), "only one of the two labels"),
    ],
)
def test_undefined_metrics_say_why(name, found, reason):
    assert reason in undefined_because(name, found)
    with pytest.raises(ValueError, match=reason):
        measure(name, found)


def test_check_metrics_names_the_nearest_and_the_fitting_ones():
    assert check_metrics("classify", ["accuracy", "macro_f1", "auroc"]) == []
    assert check_metrics("describe", ["token_f1", "exact_match"]) == []
    (unknown,) = check_metrics("classify", ["acuracy"])
    assert "unknown metric 'acuracy'" in unknown
    assert "Did you mean 'accuracy'?" in unknown
    (unfit,) = check_metrics("describe", ["accuracy"])
    assert "'accuracy' is for a closed label set" in unfit
    assert "exact_match, token_f1" in unfit
    (twice,) = check_metrics("classify", ["accuracy", "accuracy"])
    assert "listed twice" in twice


def test_additive_is_a_fact_of_the_mean_metrics_only():
    assert {name for name, metric in METRICS.items() if metric.additive} == {
        "accuracy",
        "exact_match",
        "mrr",
        "recall_at_1",
        "recall_at_10",
        "recall_at_5",
        "token_f1",
    }


def test_checking_metrics_imports_neither_torch_nor_sklearn():
    code = (
        "import sys; from transferlab.metrics.answers import check_metrics; "
        "check_metrics('classify', ['accuracy']); "
        "print([m for m in ('torch', 'sklearn', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
