"""What an export tells of how its model was asked: nothing of single rows, nor of other domains."""

import pytest

from transferlab.core.records import DomainData, Sample
from transferlab.errors import InputError
from transferlab.export.usage import usage
from transferlab.pipeline.exports.writer import prompts_of
from transferlab.pipeline.use.questions import question_of

SHOWN = {"scan": {"kind": "image", "frames": 1, "frames_per_second": None, "sound": False}}


def a_domain(name, *choices, listed):
    samples = tuple(
        Sample(
            id=str(number), domain=name, task="t", kind="classify", media=(), prompt="what?",
            answer=own[0], choices=own,
        )
        for number, own in enumerate(choices)
    )  # fmt: skip
    question = {"kind": "classify", "prompt": "<scan>?", "choices": listed, "media": SHOWN}
    return DomainData(
        name=name,
        version=1,
        title=name,
        licence="MIT",
        primary_metrics={"t": "accuracy"},
        splits={"train": samples},
        digest="",
        questions={"t": question | {"burned_in": None}},
    )


def told(domain):
    return prompts_of({domain.name: domain}, [domain.name])[domain.name]["t"]


def test_labels_are_those_that_all_samples_share():
    shared = a_domain("d", ("flu", "none"), ("flu", "none"), listed=None)
    assert told(shared)["choices"] == ["flu", "none"]
    assert told(a_domain("d", ("x", "y"), listed=["flu", "none"]))["choices"] == ["flu", "none"]


def test_choices_of_single_rows_stay_in_the_data():
    """Those of the first row would be asked about every file; a column's name would be spelt."""
    own = a_domain("d", ("Miller", "Jones"), ("a", "b"), listed="options")
    assert told(own)["choices"] is None
    with pytest.raises(InputError, match="each of its samples has its own choices"):
        question_of({"d": {"t": told(own)}}, domain=None, task=None, kind="image")
    card = usage({"model": "org/m"}, kind="merged", prompts={"d": {"t": told(own)}})
    assert "question" not in card


def test_other_domains_of_the_run_are_not_named():
    both = {name: a_domain(name, ("a", "b"), listed=None) for name in ("public", "private")}
    assert list(prompts_of(both, ["public"])) == ["public"]
