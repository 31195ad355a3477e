"""Learners' answers: what a row knows is earlier, who is where, and nobody is named."""

import csv
import json
import random
from collections import defaultdict
from dataclasses import replace

import pytest
from domain_cases import write_picture, write_settings, write_table

from transferlab.core.records import SPLITS
from transferlab.domain.base.rows import WHERE, BadItem
from transferlab.domain.catalog import find_domains
from transferlab.domain.handle import open_domain
from transferlab.domain.loader import load_domain
from transferlab.domain.sources import interactions
from transferlab.domain.validation.domain_check import check_domain
from transferlab.errors import DataError, InputError

COLUMNS = {"learner": "student", "item": "question", "time": "when", "right": "correct"}
TASKS = {
    "right": {
        "kind": "classify",
        "prompt": "<image>\n{text}\nBefore: {history}",
        "answer": "{right}",
        "choices": ["no", "yes"],
        "metrics": ["auroc"],
    }
}
LEARNERS, ITEMS, EACH = 12, 10, 8


def answer_rows(seed=0):
    """Learners called anna-0 and so on, each of whom answers some of ten items, in mixed order."""
    rng = random.Random(seed)
    rows = [
        {
            "student": f"anna-{learner}",
            "question": f"q{item}",
            "when": f"2024-03-{day + 1:02d} 10:0{rng.randrange(10)}:00",
            "correct": str(rng.randrange(2)),
            "hints": str(rng.randrange(3)),
        }
        for learner in range(LEARNERS)
        for day, item in enumerate(rng.sample(range(ITEMS), EACH))
    ]
    rng.shuffle(rows)
    return rows


def write_learners(folder, *, rows=None, options=(), settings=(), joined=True):
    """A domain over answers with a table of items and their pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    write_table(folder / "answers.csv", answer_rows() if rows is None else rows)
    items = [
        {"id": f"q{n}", "text": f"How large is {n}?", "file": f"{n}.png"} for n in range(ITEMS)
    ]
    write_table(folder / "items.csv", items)
    for n in range(ITEMS):
        write_picture(folder / f"{n}.png", n)
    items_table = {"items": {"path": "items.csv", "column": "id"}} if joined else {}
    source = {
        "kind": "interactions",
        "path": "answers.csv",
        "media": {"image": {"kind": "image", "path": "{file}"}},
        "options": COLUMNS
        | {"history": 3, "entry": "{text} {outcome}"}
        | items_table
        | dict(options),
    }
    given = {"source": source, "group": "learner", "splits": {"column": "split"}, "tasks": TASKS}
    return write_settings(folder, **given | {"attributes": []} | dict(settings))


def rows_of(entry):
    return list(open_domain(entry).source)


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


def test_columns_that_tell_how_it_turned_out_are_not_there_unless_they_are_known_before(tmp_path):
    assert all("hints" not in row for row in rows_of(write_learners(tmp_path / "a")))
    known = write_learners(tmp_path / "b", options={"known_before": ["hints"]})
    assert all("hints" in row for row in rows_of(known))


def test_bad_answers_are_told_by_their_row_and_are_in_no_history(tmp_path):
    rows = answer_rows()
    rows[3] |= {"when": "soon"}
    rows[4] |= {"correct": "perhaps"}
    rows[5] |= {"student": ""}
    rows[6] |= {"question": ""}
    rows[7] |= {"when": "nan"}
    found = rows_of(write_learners(tmp_path, rows=rows))
    bad = {one.where: one.reason for one in found if isinstance(one, BadItem)}
    assert list(bad) == [f"answers.csv row {n}" for n in range(5, 10)]
    assert "neither 1 nor 0" in bad["answers.csv row 6"]
    assert "anna" not in str(bad)
    places = {row[WHERE] for row in found if not isinstance(row, BadItem)}
    assert len(places) == len(rows) - 5


def test_an_item_that_its_table_lacks_makes_a_bad_row_unless_it_may(tmp_path):
    rows = answer_rows()
    rows[0] |= {"question": "q99"}
    found = rows_of(write_learners(tmp_path / "a", rows=rows))
    bad = [one for one in found if isinstance(one, BadItem)]
    assert any(one.where == "answers.csv row 2" for one in bad)
    assert all("items.csv" in one.reason for one in bad)
    items = {"path": "items.csv", "column": "id", "optional": True}
    found = rows_of(write_learners(tmp_path / "b", rows=rows, options={"items": items}))
    (lone,) = [row for row in found if row["item"] == "q99"]
    assert lone["text"] == ""


def test_nobody_is_named_and_ids_can_be_keyed(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "people"
    people = [{"student": f"anna-{n}", "age": str(20 + n)} for n in range(LEARNERS)]
    folder.mkdir()
    write_table(folder / "people.csv", people)
    joined = {"learners": {"path": "people.csv", "column": "student"}}
    settings = {"attributes": ["age"]}
    entry = write_learners(folder, options=joined, settings=settings)
    plain = load_domain(entry)
    ages = {one.attributes["age"] for split in SPLITS for one in plain.splits[split]}
    assert ages == {row["age"] for row in people}
    keyed = write_learners(
        folder, options=joined, settings=settings | {"privacy": {"ids": "keyed"}}
    )
    monkeypatch.setenv("TRANSFERLAB_PRIVACY_KEY", "k" * 40)
    secret = load_domain(keyed)
    monkeypatch.setenv("TRANSFERLAB_PRIVACY_KEY", "l" * 40)
    other = load_domain(keyed)
    everyone = []
    for data in (plain, secret, other):
        samples = [one for split in SPLITS for one in data.splits[split]]
        assert "anna" not in repr([replace(one, media=(), prompt="") for one in samples])
        assert all("anna" not in one.prompt for one in samples)
        everyone.append({one.learner_history.learner for one in samples})
    assert not everyone[0] & everyone[1]
    assert not everyone[1] & everyone[2]
    report = check_domain(keyed)
    assert "anna" not in repr(report)
    assert report.sound


def test_a_learner_without_attributes_is_a_bad_row(tmp_path):
    write_table(tmp_path / "people.csv", [{"student": "anna-0", "age": "20"}])
    joined = {"learners": {"path": "people.csv", "column": "student"}}
    bad = [
        one for one in rows_of(write_learners(tmp_path, options=joined)) if isinstance(one, BadItem)
    ]
    assert len(bad) == (LEARNERS - 1) * EACH
    assert {one.reason for one in bad} == {"its learner is not in people.csv"}


def test_one_table_per_learner_names_no_file(tmp_path):
    entry = write_learners(tmp_path, options={"learner": None, "item": "question"})
    by_learner = defaultdict(list)
    for row in answer_rows():
        by_learner[row.pop("student")].append(row)
    (tmp_path / "answers").mkdir()
    for name, own in by_learner.items():
        write_table(tmp_path / "answers" / f"{name}.csv", own)
    source = entry.config.source.model_copy(update={"path": "answers"})
    entry = replace(entry, config=entry.config.model_copy(update={"source": source}))
    one_table = rows_of(write_learners(tmp_path / "one"))
    found = rows_of(entry)
    assert min(row[WHERE] for row in found) == "table 1 of 12, row 2"
    kept = ("learner", "item", "time", "history", "split")
    assert sorted([row[key] for key in kept] for row in found) == sorted(
        [row[key] for key in kept] for row in one_table
    )
    (tmp_path / "answers" / "anna-3.csv").write_text("question,when,correct,hints\nq1,1\n")
    with pytest.raises(DataError, match=r"table \d+ of 12") as raised:
        rows_of(entry)
    assert "anna" not in str(raised.value)


def test_right_is_what_the_item_says_and_more_of_an_answer_is_in_a_table_of_its_own(tmp_path):
    rows = answer_rows()
    answers = [
        {"student": r["student"], "question": r["question"], "number": str(n), "picked": str(n % 4)}
        for n, r in enumerate(rows)
    ]
    times = [{"n": str(n), "date": row["when"]} for n, row in enumerate(rows)]
    write_table(tmp_path / "times.csv", times[:-1])
    options = {
        "right": None,
        "chosen": "picked",
        "correct": "solution",
        "time": "date",
        "answer": "number",
        "answers": {"path": "times.csv", "column": "n"},
    }
    entry = write_learners(tmp_path, rows=answers, options=options)
    with (tmp_path / "items.csv").open() as file:
        items = list(csv.DictReader(file))
    write_table(tmp_path / "items.csv", [one | {"solution": "2"} for one in items])
    found = rows_of(entry)
    bad = [one for one in found if isinstance(one, BadItem)]
    assert [one.reason for one in bad] == ["its answer is not in times.csv"]
    good = [row for row in found if not isinstance(row, BadItem)]
    assert len(good) == len(rows) - 1
    assert all((row["right"] == "yes") == (row["chosen"] == "2") for row in good)


def test_rows_of_one_number_are_one_answer(tmp_path):
    rows = [
        dict(zip(("student", "question", "when", "correct", "order", "skill"), one, strict=True))
        for one in (
            (name, f"q{n}", str(n), "1", f"{name}{n}", skill)
            for name in "abcdef"
            for n in range(3)
            for skill in (("sums", "angles") if n == 1 else ("sums",))
        )
    ]
    options = {"answer": "order", "known_before": ["skill"]}
    found = rows_of(write_learners(tmp_path, rows=rows, options=options))
    assert len(found) == 18
    assert {row["skill"] for row in found if row["item"] == "q1"} == {"sums; angles"}
    assert {row["past_answers"] for row in found if row["item"] == "q2"} == {"2"}


def test_xapi_statements_are_read_as_they_are(tmp_path):
    answered, viewed = (f"http://adlnet.gov/expapi/verbs/{verb}" for verb in ("answered", "viewed"))
    statements = [
        {
            "actor": {"account": {"homePage": "https://lms", "name": row["student"]}},
            "verb": {"id": verb, "display": {"en": "did"}},
            "object": {"objectType": "Activity", "id": row["question"]},
            "timestamp": f"{row['when'].replace(' ', 'T')}Z",
        }
        | ({"result": {"success": row["correct"] == "1"}} if verb == answered else {})
        for row in answer_rows()
        for verb in (viewed, answered)
    ]
    options = {
        "learner": "actor.account.name",
        "item": "object.id",
        "time": "timestamp",
        "right": "result.success",
        "only": {"verb.id": [answered]},
    }
    entry = write_learners(tmp_path, options=options)
    source = entry.config.source.model_copy(update={"path": "statements.json"})
    entry = replace(entry, config=entry.config.model_copy(update={"source": source}))
    (tmp_path / "statements.json").write_text(json.dumps(statements))
    table = rows_of(write_learners(tmp_path / "table"))
    kept = ("learner", "item", "right", "history", "past_answers", "split")
    assert sorted([row[key] for key in kept] for row in rows_of(entry)) == sorted(
        [row[key] for key in kept] for row in table
    )
    del statements[1]["result"]
    statements[3]["result"] = "none"
    (tmp_path / "statements.json").write_text(json.dumps(statements))
    bad = [one for one in rows_of(entry) if isinstance(one, BadItem)]
    assert [one.where for one in bad] == ["statements.json item 2", "statements.json item 4"]
    assert {one.reason for one in bad} == {"the column 'result.success' is missing"}


def test_so_many_learners_are_drawn(tmp_path):
    some = {
        row["learner"] for row in rows_of(write_learners(tmp_path, options={"max_learners": 5}))
    }
    everyone = {row["learner"] for row in rows_of(write_learners(tmp_path))}
    assert len(some) == 5
    assert some < everyone


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
