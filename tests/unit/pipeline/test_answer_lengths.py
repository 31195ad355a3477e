"""How long written answers may become, and which references that is too short for."""

import dataclasses
from types import SimpleNamespace

import pytest

from transferlab.config.pipeline import EvaluationSection, PipelineConfig
from transferlab.core.events import Warned, ignore
from transferlab.core.records import DomainData, Sample
from transferlab.pipeline.answer_lengths import new_token_limits, too_long_references
from transferlab.pipeline.build import Parts
from transferlab.pipeline.sample_validation import limit_answers


def words(count):
    return " ".join(["word"] * count)


def tokens_of(answer):
    return len(answer.split()) + 1


def samples(split, lengths, *, task="report", kind="describe", choices=()):
    return tuple(
        Sample(
            id=f"{split}-{task}-{at}", domain="toy", task=task, kind=kind, media=(), prompt="what",
            answer=words(length), choices=choices, group=f"{split}{at}",
        )
        for at, length in enumerate(lengths)
    )  # fmt: skip


def domain(train, test, name="toy"):
    return DomainData(
        name=name, version=1, title="", licence="", primary_metrics={"report": "token_f1"},
        splits={"train": train, "validation": (), "test": test}, digest="d",
    )  # fmt: skip


OPEN = domain(samples("train", [3, 9, 5]), samples("test", [2, 9, 12, 20]))
CLOSED = domain(
    samples("train", [30], kind="classify", choices=(words(30), "no")),
    samples("test", [30], kind="classify", choices=(words(30), "no")),
)
RANKED = domain(samples("train", [30], kind="retrieve"), samples("test", [40], kind="retrieve"))
DOMAINS = {"toy": OPEN, "closed": CLOSED, "ranked": RANKED}


def test_the_longest_reference_in_training_says_how_long_an_answer_may_become():
    assert new_token_limits(EvaluationSection(), DOMAINS, tokens_of) == {"toy": 10}
    given = EvaluationSection(max_new_tokens=4)
    assert new_token_limits(given, DOMAINS, tokens_of) == {"toy": 4}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            None,
            "2 of 4 references of the test split are longer than evaluation.max_new_tokens, 10 (",
        ),
        (4, "3 of 4 references of the test split are longer than evaluation.max_new_tokens, 4; "),
        (21, None),
    ],
)
def test_references_that_no_answer_can_reach_are_said(given, said):
    section = EvaluationSection(max_new_tokens=given)
    limits = new_token_limits(section, DOMAINS, tokens_of)
    found = too_long_references(section, DOMAINS, limits, tokens_of)
    assert len(found) == (said is not None)
    for sentence in found:
        assert sentence.startswith(f"domain 'toy': tasks.report: {said}")
        assert sentence.endswith("set it to 21")


def test_only_what_is_scored_counts():
    section = EvaluationSection(split="validation")
    assert too_long_references(section, DOMAINS, {"toy": 1}, tokens_of) == []
    few = EvaluationSection(max_test_samples=1)
    (sentence,) = too_long_references(few, DOMAINS, {"toy": 1}, tokens_of)
    assert "1 of 1 references" in sentence


def parts_of(listener, **evaluation):
    config = PipelineConfig(name="p", stream=["toy"], evaluation=evaluation)
    return Parts(
        config=config, domains=DOMAINS, train={}, decode=None, store=None, stages=None,
        tracker=None, listener=listener,
    )  # fmt: skip


def test_a_run_says_it_and_scores_each_domain_with_its_own_limit():
    told = []
    backbone = SimpleNamespace(writes=True, answer_tokens=tokens_of)
    parts = limit_answers(parts_of(told.append), backbone)
    assert [type(event) for event in told] == [Warned]
    assert parts.evaluation("toy").max_new_tokens == 10
    assert parts.evaluation("closed").max_new_tokens is None
    assert dataclasses.replace(parts, new_token_limits={}).evaluation("toy").max_new_tokens is None
    assert (
        limit_answers(parts_of(ignore, max_new_tokens=7), backbone).evaluation("toy").max_new_tokens
        == 7
    )


def test_a_backbone_that_only_compares_writes_nothing():
    parts = parts_of(ignore)
    assert limit_answers(parts, SimpleNamespace(writes=False)) is parts
