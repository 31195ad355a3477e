"""From the attributes of test samples to the plain data of result.json."""

import json
from dataclasses import replace

import pytest
from evaluation_cases import FakeBackbone, domain_data, report_sample, shade_sample

from transferlab.config.pipeline import EvaluationSection
from transferlab.evaluation.records import subgroups_record
from transferlab.evaluation.scoring import evaluated_samples, score_domain
from transferlab.evaluation.subgroups import score_subgroups

SECTION = EvaluationSection(max_test_samples=30)


def with_view(sample):
    """Two samples share a group; the view of three of the groups is named after a person."""
    number = int(sample.id[1:])
    view = "AP" if number % 8 < 4 else "PA"
    return replace(
        sample,
        group=f"patient-{number // 2}",
        attributes={"view": "Anna" if number < 6 else view, **({"sex": "F"} if number > 9 else {})},
    )


@pytest.fixture
def data():
    test = [with_view(make(n)) for n in range(48) for make in (shade_sample, report_sample)]
    train = [shade_sample(number) for number in range(60, 70)]
    return domain_data(train, test, {"shade": ("accuracy",), "report": ("token_f1",)})


@pytest.fixture
def scored(data):
    """Right about every AP view, and wrong about all others."""

    def says(sample):
        right = sample.attributes["view"] == "AP"
        other = next((one for one in sample.choices if one != sample.answer), "nothing at all")
        return sample.answer if right else other

    return score_domain(FakeBackbone(says), data, SECTION, trained=True)


def test_scores_go_to_the_values_of_their_own_samples(data, scored):
    samples = evaluated_samples(data, SECTION)
    found = score_subgroups(scored, samples, confidence=0.95)
    assert set(found) == {"shade", "report"}
    views = found["shade"]["view"].by_value
    assert {name: one.value for name, one in views.items()} == {"AP": 1.0, "PA": 0.0, "other": None}
    for name, one in views.items():
        rare = name == "other"
        mine = [
            sample.group
            for sample in samples
            if sample.task == "shade"
            and (sample.attributes["view"] in ("AP", "PA")) is not rare
            and (rare or sample.attributes["view"] == name)
        ]
        assert (one.samples, one.groups) == (len(mine), len(set(mine)))
    assert (found["shade"]["view"].gap.best, found["shade"]["view"].gap.worst) == ("AP", "PA")
    assert sum(one.samples for one in found["shade"]["sex"].by_value.values()) == 30


def test_the_record_has_no_patient_and_no_rare_value(data, scored):
    found = score_subgroups(scored, evaluated_samples(data, SECTION), confidence=0.95)
    record = subgroups_record({"single": {data.name: found}, "joint": {data.name: {"shade": {}}}})
    text = json.dumps(record, allow_nan=False)
    assert "Anna" not in text
    assert "patient" not in text
    assert list(record) == ["single"]  # a domain without attributes is left out
    view = record["single"][data.name]["shade"]["view"]
    assert view["values"]["AP"]["interval"][1] == 1.0
    assert view["values"]["AP"]["interval_reason"] is None
    few = view["values"]["other"]
    assert (few["value"], few["interval"], few["groups"] < 5) == (None, None, True)
    assert few["interval_reason"].startswith("too few to say")
    assert view["gap"]["value"] == 1.0
    assert view["gap"]["interval"][0] > 0


def test_other_samples_than_those_that_were_scored_are_refused(data, scored):
    samples = evaluated_samples(data, EvaluationSection(max_test_samples=20))
    with pytest.raises(ValueError, match=r"task 'shade' of .* was scored on other samples"):
        score_subgroups(scored, samples, confidence=0.95)
