"""Finding a sample's own answer among those of all test samples."""

from dataclasses import replace

import numpy as np
import pytest
from evaluation_cases import FakeBackbone, decode, domain_data, seek_sample, shade_sample

from transferlab.config.pipeline import EvaluationSection
from transferlab.errors import DataError, ModelError
from transferlab.evaluation.control import score_controls
from transferlab.evaluation.prediction import candidates_of, predict
from transferlab.evaluation.records import controls_record, score_record
from transferlab.evaluation.scoring import score_domain
from transferlab.metrics.intervals import score_interval

ALL = EvaluationSection()
METRICS = {"seek": ("recall_at_1", "mrr", "median_rank"), "shade": ("accuracy",)}


@pytest.fixture
def seek():
    """20 training and 24 test samples; the closed task beside it must not mix with it."""
    train = [seek_sample(n) for n in (*range(0, 40, 4), *range(1, 30, 3))]
    test = [make(n) for n in range(60, 84) for make in (seek_sample, shade_sample)]
    return domain_data(train, test, METRICS)


def knows(sample):
    """Seeks with a picture only."""
    seen = sample.media or sample.closed
    return sample.answer if seen else "a bright square, early"


def test_a_backbone_that_finds_some_gets_what_it_found(seek):
    lost = {"s60", "s61", "s62"}

    def finds(sample):
        return "unheard of" if sample.id in lost and not sample.closed else sample.answer

    backbone = FakeBackbone(finds)
    score = score_domain(backbone, seek, ALL, trained=True)
    task = score.tasks["seek"]
    # Of the three whose candidates all score the same, each is first in one order of four.
    assert task.value == pytest.approx((21 + 3 / 4) / 24)
    assert task.metrics["mrr"] == pytest.approx((21 + 3 * (1 + 1 / 2 + 1 / 3 + 1 / 4) / 4) / 24)
    assert task.metrics["median_rank"] == 1.0
    assert score.tasks["shade"].value == 1.0
    found, _ = score_interval(score, confidence=0.9)
    assert found.low <= score.value <= found.high
    assert score_record(score)["tasks"]["seek"]["metrics"]["median_rank"] == 1.0


def test_candidates_are_those_of_the_whole_split(seek):
    candidates = candidates_of(seek, "test")
    assert list(candidates) == ["seek"]
    assert len(candidates["seek"]) == 4
    backbone = FakeBackbone(lambda one: "unheard of" if one.kind == "retrieve" else one.answer)
    score = score_domain(backbone, seek, EvaluationSection(max_test_samples=2), trained=True)
    assert score.tasks["seek"].samples == 2
    assert score.tasks["seek"].value == 1 / 4


def test_controls_are_chance_what_is_frequent_and_no_image(seek):
    backbone = FakeBackbone(knows)
    learned = [seek_sample(n) for n in (60, 64, 68, 61)]  # bright early thrice, dark early once
    control = score_controls(backbone, seek, learned, section=ALL, decode=decode, seed=0)["seek"]
    assert (control.candidates, control.values["chance"], control.values["no_image"]) == (
        4,
        1 / 4,
        1 / 4,
    )
    assert control.values["frequent_answer"] == 1 / 4  # each answer is right once in four
    assert set(control.values) == {"chance", "frequent_answer", "no_image"}
    skewed = [seek_sample(n) for n in range(60, 80, 4)] + [seek_sample(n) for n in (61, 62, 63)]
    data = domain_data(learned, skewed, {"seek": ("mrr",)})
    control = score_controls(backbone, data, learned, section=ALL, decode=decode, seed=0)["seek"]
    assert control.values["chance"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    # Five are first, one second; of the two that were never seen each is third or fourth.
    assert control.values["frequent_answer"] == pytest.approx((5 + 1 / 2 + (1 / 3 + 1 / 4)) / 8)
    record = controls_record({"squares": {"seek": control}})["squares"]["seek"]
    assert set(record) == {
        *("metric", "candidates", "chance", "frequent_answer", "no_image", "reasons")
    }
    unlearned = score_controls(backbone, data, [], section=ALL, decode=decode, seed=0)["seek"]
    assert unlearned.values["frequent_answer"] is None
    assert "no training samples" in unlearned.reasons["frequent_answer"]


def test_one_answer_is_nothing_to_find_among(seek):
    same = [seek_sample(n, answer="a square") for n in range(4)]
    data = replace(seek, splits={"train": (), "validation": (), "test": tuple(same)})
    with pytest.raises(DataError, match="all 4 samples of the test split have the same answer"):
        candidates_of(data, "test")


def test_a_backbone_that_gives_other_scores_breaks_the_contract(seek):
    class Short(FakeBackbone):
        def score_candidates(self, samples, candidates, *, batch_samples):
            return np.zeros((len(samples), 1), np.float32)

    samples = [one for one in seek.splits["test"] if one.kind == "retrieve"]
    with pytest.raises(ModelError, match=r"24 samples with 4 candidates and gave \(24, 1\)"):
        predict(Short(knows), samples, ALL, candidates=candidates_of(seek, "test"))
