import json
import math
from collections import Counter
from dataclasses import asdict, replace

import pytest
from evaluation_cases import FakeBackbone, domain_data, report_sample, shade_sample
from hypothesis import given
from hypothesis import strategies as st

from transferlab.config.pipeline import EvaluationSection
from transferlab.core.records import Prediction, TaskScore
from transferlab.errors import DataError, ModelError
from transferlab.evaluation.prediction import predict, select_samples
from transferlab.evaluation.records import score_record
from transferlab.evaluation.scoring import score_domain, score_task

ALL = EvaluationSection()


def test_a_domain_score_is_the_mean_of_its_tasks_primary_metrics(squares):
    wrong = {f"s{number}" for number in range(60, 66)}
    backbone = FakeBackbone(
        lambda one: (
            one.choices[0] if one.closed else ("nothing at all" if one.id in wrong else one.answer)
        )
    )
    score = score_domain(backbone, squares, ALL, trained=True)
    assert score.metric == "mean of accuracy (shade), token_f1 (report)"
    shade, report = score.tasks["shade"], score.tasks["report"]
    assert shade.value == 0.5  # half of the squares are bright
    assert shade.metrics == {"accuracy": 0.5, "auroc": 0.5}
    # s60 and s65 are "nothing": two of six wrong ones still share one of three words.
    assert report.value == pytest.approx((18 + 2 * (2 * 1 / 4)) / 24)
    assert report.metrics["exact_match"] == 18 / 24
    assert score.value == pytest.approx((shade.value + report.value) / 2)
    assert shade.samples == len(shade.groups) == len(shade.sample_values) == 24
    assert shade.groups[0] == "g30"


def test_a_score_survives_json_with_all_that_intervals_need(squares, perfect):
    task = score_domain(perfect, squares, ALL, trained=True).tasks["shade"]
    assert TaskScore(**json.loads(json.dumps(asdict(task), allow_nan=False))) == task
    assert task.labels == task.predicted == [0, 1] * 12  # in the order of the sorted labels
    assert len(task.margins) == 24
    assert set(task.margins) == {2.0, -2.0}
    assert "bright" not in json.dumps(asdict(task))  # codes, not texts


def test_closed_tasks_say_how_far_their_probabilities_can_be_believed(squares, perfect):
    sure = 1 / (1 + math.exp(-2))  # of two choices, 0 and -2
    found = score_domain(perfect, squares, ALL, trained=True)
    shade = found.tasks["shade"].calibration
    assert shade["ece"] == pytest.approx(1 - sure)  # right every time
    assert shade["brier"] == pytest.approx((1 - sure) ** 2)
    always_wrong = FakeBackbone(
        lambda one: next(c for c in one.choices if c != one.answer) if one.closed else one.answer
    )
    wrong = score_domain(always_wrong, squares, ALL, trained=True).tasks["shade"].calibration
    assert wrong["ece"] == pytest.approx(sure)
    assert wrong["brier"] == pytest.approx(sure**2)
    assert found.tasks["report"].calibration == {}
    record = score_record(found)["tasks"]
    assert record["shade"]["calibration"] == shade
    assert "calibration" not in record["report"]


def test_auroc_reads_margins_and_not_the_order_of_a_samples_choices():
    samples = [
        shade_sample(number, choices=("dark", "bright") if number % 3 else ("bright", "dark"))
        for number in range(12)
    ]
    said = FakeBackbone(lambda one: one.answer).score_choices(samples, batch_samples=4)
    score = score_task(said, metrics=["auroc"], where="here")
    assert score.value == 1.0


def test_the_limit_holds_per_task_and_draws_from_all_groups():
    samples = [make(n) for n in range(40) for make in (shade_sample, report_sample)]
    kept = select_samples(samples, limit=9)
    assert Counter(one.task for one in kept) == {"shade": 9, "report": 9}
    sizes = Counter(one.group for one in kept if one.task == "shade")
    assert sorted(sizes.values()) == [1] * 9  # of 20 groups of two
    assert {one.id for one in kept if one.task == "shade"} == {
        one.id for one in kept if one.task == "report"
    }
    assert [one.id for one in kept] == [one.id for one in samples if one in kept]


def test_a_limit_takes_of_each_group_its_share():
    sizes = {"a": 30, "b": 12, "c": 12, "d": 6}
    samples = [
        replace(shade_sample(number), id=f"{group}{number}", group=group)
        for group, size in sizes.items()
        for number in range(size)
    ]
    kept = Counter(one.group for one in select_samples(samples, limit=20))
    for group, size in sizes.items():
        assert abs(kept[group] - size / 3) < 1
    with_few = [
        replace(shade_sample(number), id=f"{number}", group=f"p{number % 14}")
        for number in range(112)
    ]
    assert len({one.group for one in select_samples(with_few, limit=24)}) == 14


@given(st.permutations(range(20)), st.integers(1, 20), st.integers(1, 20))
def test_the_choice_is_nested_and_independent_of_order(order, low, high):
    samples = [shade_sample(number) for number in range(20)]
    low, high = sorted((low, high))
    few = {one.id for one in select_samples([samples[i] for i in order], limit=low)}
    assert len(few) == low
    assert few <= {one.id for one in select_samples(samples, limit=high)}


def test_answers_come_in_the_order_of_the_questions():
    samples = [make(n) for n in range(4) for make in (report_sample, shade_sample)]
    said = predict(FakeBackbone(lambda one: one.answer), samples, ALL)
    assert [one.sample for one in said] == samples


def test_a_backbone_that_answers_something_else_is_refused():
    samples = [shade_sample(number) for number in range(4)]

    class Forgetful(FakeBackbone):
        def score_choices(self, samples, *, batch_samples):
            return super().score_choices(samples[1:], batch_samples=batch_samples)

    with pytest.raises(ModelError, match="asked about 4 samples"):
        predict(Forgetful(lambda one: one.answer), samples, ALL)
    with pytest.raises(ModelError, match="none of its choices"):
        predict(FakeBackbone(lambda one: "grey"), samples, ALL)


def test_a_task_without_test_samples_is_an_error_that_names_it(squares, perfect):
    data = replace(squares, primary_metrics={**squares.primary_metrics, "depth": "accuracy"})
    with pytest.raises(DataError, match="task 'depth' of 'squares' has no samples in its test"):
        score_domain(perfect, data, ALL, trained=True)
    with pytest.raises(DataError, match="no samples in its validation split"):
        score_domain(perfect, squares, ALL, trained=True, split="validation")


def test_an_undefined_metric_is_an_error_that_says_what_to_do(perfect):
    bright = [shade_sample(number) for number in range(0, 20, 2)]
    data = domain_data(bright, bright, {"shade": ("auroc",)})
    with pytest.raises(DataError, match=r"task 'shade'.*auroc is undefined.*only one of the two"):
        score_domain(perfect, data, ALL, trained=True)


def test_open_samples_under_a_closed_metric_are_an_error():
    said = [Prediction(sample=report_sample(number), text="x") for number in range(3)]
    with pytest.raises(DataError, match="some samples have no choices"):
        score_task(said, metrics=["macro_f1"], where="task 'report'")


def test_a_task_that_lists_no_metrics_has_its_primary_one(squares, perfect):
    data = replace(squares, metrics={})
    assert score_domain(perfect, data, ALL, trained=True).tasks["shade"].metrics == {
        "accuracy": 1.0
    }
