"""What an export tells of how its model was asked: nothing of single rows, nor of other domains."""

import ast

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


def test_a_column_of_any_name_is_a_literal_of_the_cards_code():
    """Somebody else runs it; the name came with the domain."""
    name = 'x"); import os; print("\\'
    asked = {"kind": "answer", "prompt": f"<scan> {{{name}}}\n{{a\nprint(1)}}?", "choices": None}
    card = usage({"model": "org/m"}, kind="merged", prompts={"d": {"t": asked}})
    code = card.split("```python\n")[1].split("```")[0]
    tree = ast.parse(code)
    imported = [one.names[0].name for one in ast.walk(tree) if isinstance(one, ast.Import)]
    assert imported == ["json", "torch"]
    texts = [one.value for one in ast.walk(tree) if isinstance(one, ast.Constant)]
    assert f"{{{name}}}" in texts
    assert "{a\nprint(1)}" in texts


def test_a_card_of_an_adapter_beside_quantized_weights_does_not_claim_its_code_was_tried():
    backbone = {"model": "org/m", "quantization": {"bits": 4, "library": "bitsandbytes"}}
    card = usage(backbone, kind="adapter", prompts={})
    assert "beside weights in 4 bits (bitsandbytes)" in card
    assert "loaded in this way" not in card
    assert "loaded in this way" in usage({"model": "org/m"}, kind="adapter", prompts={})
