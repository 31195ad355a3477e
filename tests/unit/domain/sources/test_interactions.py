"""Learners' answers: what a row knows is earlier, who is where, and what would leak."""

from collections import defaultdict
from dataclasses import replace

import pytest
from interaction_cases import (
    COLUMNS,
    EACH,
    LEARNERS,
    TASKS,
    answer_rows,
    rows_of,
    write_learners,
)

from transferlab.core.records import SPLITS
from transferlab.domain.base.rows import WHERE
from transferlab.domain.catalog import find_domains
from transferlab.domain.handle import open_domain
from transferlab.domain.loader import load_domain
from transferlab.domain.sources import interactions
from transferlab.domain.validation.domain_check import check_domain
from transferlab.errors import DataError, InputError


def test_an_answer_knows_what_its_learner_answered_earlier(tmp_path):
    raw = [
        ("b", "q1", "5", "1"),
        ("a", "q0", "1", "0"),
        ("a", "q2", "3", "true"),
        ("a", "q1", "2", "1"),
        ("a", "q3", "4", "0"),
        ("a", "q4", "5", "1"),
    ]
    rows = [dict(zip(COLUMNS.values(), one, strict=True)) for one in raw]
    entry = write_learners(tmp_path, rows=rows, options={"test": 0.4, "validation": 0.1})
    found = {row[WHERE]: row for row in rows_of(entry)}
    assert len(found) == 6
    first, last = found["answers.csv row 3"], found["answers.csv row 7"]
    assert (first["history"], first["past_answers"], first["past_right"]) == ("nothing", "0", "0")
    assert last["history"] == "How large is 1? right; How large is 2? right; How large is 3? wrong"
    assert (last["past_answers"], last["past_right"]) == ("4", "2")
    assert (last["right"], last["outcome"], last["text"]) == ("yes", "right", "How large is 4?")
    assert found["answers.csv row 2"]["past_answers"] == "0"
    assert last["learner"] == first["learner"] != found["answers.csv row 2"]["learner"]


def test_answers_of_one_time_do_not_know_of_each_other(tmp_path):
    rows = [
        {"student": name, "question": f"q{n}", "when": str(n // 2), "correct": "1"}
        for name in "abcdef"
        for n in range(4)
    ]
    counts = [row["past_answers"] for row in rows_of(write_learners(tmp_path, rows=rows))]
    assert counts == ["0", "0", "2", "2"] * 6


@pytest.mark.parametrize("seed", range(5))
def test_another_future_leaves_the_past_as_it_was(tmp_path, seed):
    cut = "2024-03-05"
    rows = answer_rows(seed)
    other = [
        row if row["when"] < cut else row | {"correct": str(1 - int(row["correct"])), "hints": "9"}
        for row in rows
    ]
    fewer = [row for row in rows if row["when"] < cut]

    def known(name, some):
        entry = write_learners(tmp_path / name, rows=some)
        kept = ("learner", "item", "time", "history", "past_answers", "past_right", "_history")
        return sorted([row[key] for key in kept] for row in rows_of(entry) if row["time"] < cut)

    assert known("whole", rows) == known("other", other) == known("fewer", fewer)


def test_learners_are_on_one_side_and_a_check_finds_nothing(tmp_path):
    entry = write_learners(tmp_path)
    data = load_domain(entry)
    sides = defaultdict(set)
    for split in SPLITS:
        for sample in data.splits[split]:
            sides[sample.learner_history.learner].add(split)
    assert [len(on) for on in sides.values()] == [1] * LEARNERS
    assert sum(len(data.splits[split]) for split in SPLITS) == LEARNERS * EACH
    assert len({one.group for one in data.splits["test"]}) == round(0.2 * LEARNERS)
    assert check_domain(entry).problems == ()  # pictures on every side are no leak here


BY_TIME = {"options": {"split": "time"}, "settings": {"group": "learner_split"}}


def test_by_time_each_learners_last_answers_are_tested(tmp_path):
    entry = write_learners(tmp_path, **BY_TIME)
    times = defaultdict(lambda: defaultdict(list))
    for row in rows_of(entry):
        times[row["learner"]][row["split"]].append(row["time"])
    assert len(times) == LEARNERS
    for by_split in times.values():
        assert {split: len(own) for split, own in by_split.items()} == {
            "train": 5, "validation": 1, "test": 2,
        }  # fmt: skip
        assert max(by_split["train"]) < min(by_split["validation"]) < min(by_split["test"])
    assert check_domain(entry).errors == []
    assert {len(one.group) for one in load_domain(entry).splits["test"]} == {20}


def test_by_time_answers_of_one_time_are_on_one_side(tmp_path):
    rows = [
        {"student": name, "question": f"q{n}", "when": str(min(n, 4)), "correct": str(n % 2)}
        for name in "abcdef"
        for n in range(8)
    ]
    entry = write_learners(tmp_path, rows=rows, **BY_TIME)
    assert {row["split"] for row in rows_of(entry)} == {"train"}


def test_new_items_are_asked_in_the_test_split_alone_and_known_nowhere_else(tmp_path):
    entry = write_learners(tmp_path, options={"new_items": 0.3})
    data = load_domain(entry)
    items = {split: {one.learner_history.item for one in data.splits[split]} for split in SPLITS}
    assert len(items["test"]) == 3
    assert not items["test"] & (items["train"] | items["validation"])
    for split in ("train", "validation"):
        for one in data.splits[split]:
            assert not {item for item, _ in one.learner_history.recent} & items["test"]
    known = {item for one in data.splits["test"] for item, _ in one.learner_history.recent}
    assert known - items["test"]
    assert check_domain(entry).errors == []


def leak(change):
    """Histories as a mistake in making them would have them."""

    def leaking(answers, splits, *, history):
        for one in asked_answers(answers, splits, history=history):
            yield change(one)

    return leaking


asked_answers = interactions.asked_answers


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda one: replace(one, recent=[*one.recent[1:], one.answer]), "latest answers"),
        (lambda one: replace(one, past_right=one.past_right + one.answer.right), "counts"),
        (lambda one: replace(one, past_answers=one.past_answers + 1), "counts"),
    ],
)
def test_a_check_finds_histories_that_know_too_much(tmp_path, monkeypatch, change, told):
    monkeypatch.setattr(interactions, "asked_answers", leak(change))
    entry = write_learners(tmp_path)
    found = [one for one in check_domain(entry).errors if one.kind == "source"]
    assert len(found) > LEARNERS
    assert all(told in one.reason and one.where.startswith("answers.csv row") for one in found)


def test_a_check_finds_a_text_that_says_more_and_a_split_that_looks_ahead(tmp_path):
    source = open_domain(write_learners(tmp_path, **BY_TIME)).source
    rows = list(source)
    assert list(source.find_problems(rows)) == []
    told = [row | {"history": f"{row['history']}; this one {row['outcome']}"} for row in rows]
    assert len(list(source.find_problems(told))) == len(rows)
    swapped = [
        row | {"split": {"train": "test", "test": "train"}.get(row["split"])} for row in rows
    ]
    ahead = list(source.find_problems(swapped))
    assert len(ahead) == LEARNERS
    assert "looks into the future" in ahead[0].reason


@pytest.mark.parametrize(
    ("settings", "options", "told"),
    [
        (
            {"tasks": {"right": TASKS["right"] | {"prompt": "{outcome}?"}}},
            {},
            "only after the answer",
        ),
        ({"attributes": ["chosen"]}, {"chosen": "hints"}, "only after the answer"),
        ({"attributes": ["learner"]}, {}, "learners stay unnamed"),
        ({"tasks": {"right": TASKS["right"] | {"answer": "{learner}"}}}, {}, "stay unnamed"),
        ({"group": "item"}, {}, "group: must be 'learner'"),
        ({"group": "learner"}, {"split": "time"}, "group: must be 'learner_split'"),
        ({"splits": {"seed": 1}}, {"new_items": 0.3}, "splits: must be"),
        ({}, {"known_before": ["student"]}, "may not be shown"),
        ({}, {"known_before": ["correct"]}, "may not be shown"),
        ({}, {"item": "qestion"}, "Did you mean 'question'"),
        ({}, {"entry": "{student}"}, "no column 'student'"),
        ({}, {"right": None}, "right: name it"),
        ({}, {"seed": 1}, "only with source.generator"),
        ({}, {"histroy": 1}, "did you mean 'history'"),
        ({}, {"items": {"path": "answers.csv", "column": "hints"}}, "second with its key"),
    ],
)
def test_what_would_leak_or_is_not_there_is_one_sentence(tmp_path, settings, options, told):
    entry = write_learners(tmp_path, settings=settings, options=options)
    with pytest.raises((InputError, DataError), match=told) as raised:
        load_domain(entry)
    assert "anna" not in str(raised.value)


def test_the_shipped_domain_is_made_and_holds_what_was_generated(tmp_path):
    entry = find_domains()["learners"]
    options = entry.config.source.options | {"samples": 240}
    source = entry.config.source.model_copy(update={"options": options})
    small = replace(entry, config=entry.config.model_copy(update={"source": source}))
    data = load_domain(small, cache_root=tmp_path)
    assert sum(map(len, data.splits.values())) == 240
    fewer = load_domain(entry, cache_root=tmp_path, generated_samples=120)
    assert sum(map(len, fewer.splits.values())) == 120
    sample = data.splits["test"][-1]
    assert sample.choices == ("no", "yes")
    assert sample.learner_history.shown in sample.prompt
    without = sample.without_learner_history()
    assert sample.learner_history.nothing in without.prompt
    assert without.media == sample.media
    report = check_domain(small, cache_root=tmp_path)
    assert report.errors == []
