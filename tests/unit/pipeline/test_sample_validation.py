"""Samples that the backbone cannot take: refused together, or left out and counted."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from transferlab.config.pipeline import PipelineConfig
from transferlab.core.events import ignore
from transferlab.core.records import MEDIA_SLOT, DomainData, MediaRef, Quarantined, Sample
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.errors import DataError
from transferlab.evaluation.prediction import select_samples
from transferlab.pipeline.build import Parts
from transferlab.pipeline.result import _domains
from transferlab.pipeline.sample_validation import NAMED, validate_samples

LIMIT = 10
EARLIER = Quarantined(domain="toy", where="t.csv row 99", reason="the answer is empty")


def length_tokens(sample):
    """One token per word and one at the end; some words are faults that only a backbone finds."""
    if "broken" in sample.prompt:
        raise UnreadableMedium(sample.media[0].alias, "the file is truncated")
    if "token" in sample.prompt:
        raise DataError("its prompt has 2 image token(s) for 1 frame(s)")
    answers = (sample.answer, *sample.choices)
    return len(sample.prompt.split()) + max(len(answer.split()) for answer in answers)


BACKBONE = SimpleNamespace(length_tokens=length_tokens, max_length_tokens=LIMIT)


def sample(number, prompt="what is it", answer="a cat", choices=(), media=True):
    ref = MediaRef(kind="image", path=Path("p.png"), alias=f"t.csv row {number}")
    prompt = f"{MEDIA_SLOT} {prompt}" if media else prompt
    return Sample(
        id=f"s{number}", domain="toy", task="name", kind="classify" if choices else "answer",
        media=(ref,) if media else (), prompt=prompt, answer=answer, choices=choices,
        group=f"g{number}", attributes={},
    )  # fmt: skip


def parts_of(train, test, *, on_bad_sample, used=None, max_test_samples=None):
    data = DomainData(
        name="toy", version=1, title="", licence="", primary_metrics={"name": "token_f1"},
        splits={"train": tuple(train), "validation": (), "test": tuple(test)}, digest="d",
        quarantined=(EARLIER,),
    )  # fmt: skip
    config = PipelineConfig(
        name="p",
        stream=["toy"],
        data={"on_bad_sample": on_bad_sample},
        evaluation={"max_test_samples": max_test_samples},
    )
    return Parts(
        config=config, domains={"toy": data}, train={"toy": tuple(train if used is None else used)},
        decode=None, store=None, stages=None, tracker=None, listener=ignore,
    )  # fmt: skip


LONG = "what is to be seen here and what is it called"
TRAIN = [sample(0), sample(1, LONG), sample(2, "broken"), sample(3, "token")]
TEST = [sample(4), sample(5, choices=("a cat", "a " * LIMIT)), sample(6, LONG, media=False)]


def test_quarantine_leaves_them_out_with_their_reasons_and_counts_them():
    found = validate_samples(parts_of(TRAIN, TEST, on_bad_sample="quarantine"), BACKBONE)
    assert [one.id for one in found.train["toy"]] == ["s0"]
    splits = found.domains["toy"].splits
    assert {side: [one.id for one in samples] for side, samples in splits.items()} == {
        "train": ["s0"],
        "validation": [],
        "test": ["s4"],
    }
    too_long = "tokens with media and answer, more than backbone.max_length_tokens (10)"
    assert [(one.where, one.reason) for one in found.domains["toy"].quarantined[1:]] == [
        ("t.csv row 1", f"task 'name': 14 {too_long}"),
        ("t.csv row 2", "task 'name': the file is truncated"),
        ("t.csv row 3", "task 'name': its prompt has 2 image token(s) for 1 frame(s)"),
        ("t.csv row 5", f"task 'name': 14 {too_long}"),
        ("sample 's6'", f"task 'name': 13 {too_long}"),
    ]
    record = _domains(found)["toy"]
    assert record["quarantined"] == 6
    assert record["samples"] == {"train": 1, "validation": 0, "test": 1}


def test_stop_names_them_all_and_says_what_to_do():
    with pytest.raises(DataError, match="on_bad_sample=quarantine") as caught:
        validate_samples(parts_of(TRAIN, TEST, on_bad_sample="stop"), BACKBONE)
    first, *named = str(caught.value).splitlines()
    assert first.startswith("5 sample(s) cannot be given to the backbone")
    assert [line.partition(": task")[0].strip() for line in named] == [
        "toy: t.csv row 1", "toy: t.csv row 2", "toy: t.csv row 3", "toy: t.csv row 5",
        "toy: sample 's6'",
    ]  # fmt: skip
    many = [sample(number, LONG) for number in range(NAMED + 3)]
    with pytest.raises(DataError, match=r"\n  and 3 more$"):
        validate_samples(parts_of(many, TEST[:1], on_bad_sample="stop"), BACKBONE)


def test_what_is_not_used_is_not_looked_at_and_sound_parts_stay_as_they_are():
    parts = parts_of(TRAIN, TEST[:1], on_bad_sample="stop", used=TRAIN[:1])
    assert validate_samples(parts, BACKBONE) is parts


def test_only_what_is_scored_is_measured_also_in_the_place_of_what_is_left_out():
    measured = []
    limits = SimpleNamespace(
        length_tokens=lambda one: measured.append(one.id) or length_tokens(one),
        max_length_tokens=LIMIT,
    )
    test = [sample(n, LONG if n % 2 else "what is it") for n in range(100, 140)]
    found = validate_samples(
        parts_of(TRAIN[:1], test, on_bad_sample="quarantine", max_test_samples=4), limits
    )
    assert len(measured) == len(set(measured)) < 30
    scored = select_samples(found.domains["toy"].splits["test"], limit=4)
    assert len(scored) == 4
    assert {one.id for one in scored} <= set(measured)
    assert all(length_tokens(one) <= LIMIT for one in scored)


@pytest.mark.parametrize(
    ("train", "test", "side"), [(TRAIN[1:], TEST, "train"), (TRAIN, TEST[1:], "test")]
)
def test_a_task_that_has_nothing_left_stops_the_run(train, test, side):
    with pytest.raises(DataError, match=f"no sample of task 'name' in {side}"):
        validate_samples(parts_of(train, test, on_bad_sample="quarantine"), BACKBONE)


def test_samples_that_a_rule_of_scoring_is_chosen_on_are_examined_too():
    parts = parts_of([sample(0)], [sample(4)], on_bad_sample="quarantine")
    labelled = [sample(n, LONG if n == 8 else "what", choices=("a cat", "a dog")) for n in (7, 8)]
    data = parts.domains["toy"]
    splits = {**data.splits, "validation": (*labelled, sample(9, LONG))}
    domains = {"toy": dataclasses.replace(data, splits=splits)}
    found = validate_samples(dataclasses.replace(parts, domains=domains), BACKBONE)
    left = [one.id for one in found.domains["toy"].splits["validation"]]
    assert left == ["s7", "s9"]  # free text is not scored there
    assert len(found.domains["toy"].quarantined) == 2
