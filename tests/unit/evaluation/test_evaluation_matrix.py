import json
from dataclasses import replace

import numpy as np
import pytest

from transferlab.core.records import DomainScore, TaskScore
from transferlab.evaluation.control import Controls
from transferlab.evaluation.matrix import PRETRAINED, ScoreMatrix
from transferlab.evaluation.records import (
    arms_record,
    controls_record,
    gains_record,
    score_record,
    similarity_record,
)
from transferlab.metrics.intervals import Interval
from transferlab.metrics.similarity import Similarity
from transferlab.metrics.transfer import Gain

SETTINGS = {"halvings": 100, "confidence": 0.9, "seed": 0}
VALUES = {
    "scenes": [0.80, 0.70, 0.60],
    "chest": [0.20, 0.90, 0.70],
    "lectures": [0.30, 0.40, 0.95],
}


def a_score(domain, value, *, groups=20):
    rng = np.random.default_rng(int(value * 1000))
    noise = rng.normal(0, 0.05, groups)
    values = value + noise - noise.mean()
    task = TaskScore(
        task="t",
        kind="describe",
        metric="token_f1",
        value=value,
        metrics={"token_f1": value},
        samples=groups,
        groups=[f"g{index}" for index in range(groups)],
        sample_values=values.tolist(),
    )
    return DomainScore(domain=domain, value=value, metric="token_f1 (t)", tasks={"t": task})


def a_matrix(*, stream=("chest", "lectures"), source="scenes", groups=20):
    matrix = ScoreMatrix(stream, source=source)
    for domain in matrix.columns:
        for row, value in zip(matrix.rows, VALUES[domain], strict=False):
            matrix.add(after=row, on=domain, score=a_score(domain, value, groups=groups))
    return matrix


def test_a_rows_metric_is_its_own():
    """Before a domain is learned its choices may be answered by another rule than after."""
    matrix = ScoreMatrix(["chest"])
    for after, metric in ((PRETRAINED, "accuracy [standardised] (t)"), ("chest", "accuracy (t)")):
        matrix.add(after=after, on="chest", score=replace(a_score("chest", 0.5), metric=metric))
    records = matrix.to_records()
    assert [row["metrics"]["chest"] for row in records["rows"]] == [
        "accuracy [standardised] (t)",
        "accuracy (t)",
    ]
    assert records["columns"] == [{"domain": "chest", "metric": "accuracy (t)"}]


def test_steps_say_what_was_gained_and_what_it_cost():
    first, second = a_matrix().steps()
    assert (first["domain"], second["domain"]) == ("chest", "lectures")
    assert first["plasticity"] == pytest.approx(0.7)
    assert first["stability"] == pytest.approx(-0.1)  # the source's
    assert second["plasticity"] == pytest.approx(0.55)
    assert second["stability"] == pytest.approx((-0.1 - 0.2) / 2)
    alone = a_matrix(source=None).steps()
    assert alone[0]["stability"] is None
    json.dumps(alone, allow_nan=False)


def test_records_keep_the_order_and_name_what_was_measured_after():
    records = a_matrix().to_records()
    assert [one["domain"] for one in records["columns"]] == ["scenes", "chest", "lectures"]
    assert records["columns"][0]["metric"] == "token_f1 (t)"
    assert [one["after"] for one in records["rows"]] == [PRETRAINED, "chest", "lectures"]
    assert records["rows"][1]["values"] == {"scenes": 0.70, "chest": 0.90, "lectures": 0.40}
    json.dumps(records, allow_nan=False)


def test_the_summary_of_a_matrix_worked_by_hand():
    scratch = {"chest": a_score("chest", 0.5), "lectures": a_score("lectures", 0.25)}
    found = a_matrix().summary(**SETTINGS, scratch=scratch)
    assert {name: one["value"] for name, one in found.items()} == pytest.approx(
        {
            "acc": (0.70 + 0.95) / 2,
            "bwt": 0.70 - 0.90,
            "fwt_over_zero_shot": 0.40 - 0.30,
            "fwt_over_scratch": 0.40 - 0.25,
            "forgetting_corrected": 0.90 - 0.70,
            "forgetting": 0.90 - 0.70,
            "source_retention": 0.60 - 0.80,
        }
    )
    for name, one in found.items():
        low, high = one["interval"]
        assert low < one["value"] < high, name
        assert high - low < 0.15, name
        assert one["confidence"] == 0.9
        assert one["interval_reason"] is None
    assert "scratch arm" in found["fwt_over_scratch"]["definition"]
    assert "zero-shot" in found["fwt_over_zero_shot"]["definition"]
    assert found["forgetting"]["interval"] == found["forgetting_corrected"]["interval"]
    assert "read forgetting_corrected" in found["forgetting"]["definition"]
    json.dumps(found, allow_nan=False)


def test_without_a_scratch_arm_forward_transfer_over_it_is_undefined_and_the_other_as_ever():
    found = a_matrix().summary(**SETTINGS)
    assert found["fwt_over_zero_shot"]["value"] == pytest.approx(0.40 - 0.30)
    assert found["fwt_over_scratch"]["value"] is None
    assert "scratch arm did not run" in found["fwt_over_scratch"]["definition"]


def test_intervals_are_paired_within_a_column():
    matrix = ScoreMatrix(["chest", "lectures"])
    for row in matrix.rows:
        matrix.add(after=row, on="chest", score=a_score("chest", 0.7))
        matrix.add(after=row, on="lectures", score=a_score("lectures", 0.5))
    found = matrix.summary(**SETTINGS)
    # The same answers after every step: what 20 groups have not shown may be in 1 - .05^(1/20).
    unseen = 1 - 0.05 ** (1 / 20)
    for name in ("bwt", "forgetting", "forgetting_corrected"):
        assert found[name]["interval"] == pytest.approx([-unseen, unseen])
    acc = found["acc"]["interval"]
    assert 0.05 < acc[1] - acc[0] < 0.15


def test_what_a_short_stream_or_a_missing_source_leaves_undefined_is_said():
    found = a_matrix(stream=("chest",), source=None).summary(**SETTINGS)
    assert found["acc"]["value"] == pytest.approx(0.9)
    for name, reason in (
        ("bwt", "one domain only"),
        ("fwt_over_zero_shot", "one domain only"),
        ("fwt_over_scratch", "one domain only"),
        ("forgetting", "one domain only"),
        ("forgetting_corrected", "one domain only"),
        ("source_retention", "no source"),
    ):
        assert (found[name]["value"], found[name]["interval"]) == (None, None)
        assert reason in found[name]["definition"]


def test_few_groups_give_values_without_intervals():
    found = a_matrix(groups=4).summary(**SETTINGS)
    assert found["acc"]["value"] == pytest.approx((0.70 + 0.95) / 2)
    assert {one["interval"] for one in found.values()} == {None}
    reasons = {one["interval_reason"] for one in found.values() if one["value"] is not None}
    assert reasons == {
        f"task 't' of {domain} has 4 test group(s), and an interval needs 5"
        for domain in ("chest", "scenes", "lectures")
    }
    assert found["forgetting"]["value"] == pytest.approx(0.2)
    assert found["forgetting_corrected"]["value"] is None


def test_the_matrix_refuses_what_does_not_belong():
    matrix = ScoreMatrix(["chest", "lectures"], source="scenes")
    matrix.add(after=PRETRAINED, on="chest", score=a_score("chest", 0.2))
    for after, on, score, message in (
        (PRETRAINED, "chest", a_score("chest", 0.2), "entered before"),
        ("scenes", "chest", a_score("chest", 0.2), "no cell"),
        ("chest", "mars", a_score("mars", 0.2), "no cell"),
        ("chest", "chest", a_score("lectures", 0.2), "score of 'lectures'"),
    ):
        with pytest.raises(ValueError, match=message):
            matrix.add(after=after, on=on, score=score)
    with pytest.raises(ValueError, match="after 'pretrained' on 'scenes' is missing"):
        matrix.to_records()
    for stream in ([], ["chest", "chest"], ["pretrained"], ["scenes"]):
        with pytest.raises(ValueError, match="distinct"):
            ScoreMatrix(stream, source="scenes")


def test_arms_carry_tasks_and_an_interval_but_no_sample():
    record = arms_record({"single": {"chest": a_score("chest", 0.7)}}, confidence=0.9)
    chest = record["single"]["chest"]
    assert chest["interval"][0] < chest["value"] < chest["interval"][1]
    assert chest["tasks"]["t"] == {
        "metric": "token_f1",
        "value": 0.7,
        "interval": chest["interval"],  # of the only task
        "confidence": 0.9,
        "interval_reason": None,
        "metrics": {"token_f1": 0.7},
        "samples": 20,
        "groups": 20,
    }
    assert "g1" not in json.dumps(record)


def test_gains_similarity_and_controls_become_plain_data():
    gain = Gain(
        domain="chest",
        arm="single",
        over="scratch",
        value=-0.2,
        interval=Interval(low=-0.3, high=-0.1, confidence=0.95),
        negative_transfer=True,
    )
    (plain,) = gains_record([gain])
    assert plain["interval"] == [-0.3, -0.1]
    assert plain["negative_transfer"] is True
    assert plain["interval_reason"] is None
    (bare,) = gains_record([replace(gain, interval=None, reason="few", negative_transfer=False)])
    assert (bare["interval"], bare["confidence"], bare["interval_reason"]) == (None, None, "few")

    measured = Similarity(
        name="mmd",
        features="image",
        value=0.3,
        baseline_mean=0.0,
        baseline_std=0.01,
        p_value=0.05,
        permutations=20,
        source_samples=200,
        target_samples=150,
    )
    assert similarity_record({"chest": [measured]})["chest"][0] == vars(measured)

    closed = Controls(
        task="view",
        metric="auroc",
        values={"majority": 0.5, "no_image": None, "pixels": None},
        reasons={"pixels": "no media"},
    )
    free = Controls(
        task="note", metric="token_f1", values={"frequent_answer": 0.4, "copied_answer": 0.2}
    )
    found = controls_record({"chest": {"view": closed, "note": free}})["chest"]
    assert found["view"] == {
        "metric": "auroc",
        "majority": 0.5,
        "no_image": None,
        "pixels": None,
        "reasons": {"pixels": "no media"},
    }
    assert set(found["note"]) == {"metric", "frequent_answer", "copied_answer", "reasons"}


def test_a_number_that_json_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="finite"):
        score_record(replace(a_score("chest", 0.5), value=float("nan")))
