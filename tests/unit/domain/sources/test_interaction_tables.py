"""Learners' answers out of tables: bad rows, joins, forms of logs, and nobody is named."""

import csv
import json
from collections import defaultdict
from dataclasses import replace

import pytest
from domain_cases import write_table
from interaction_cases import (
    EACH,
    LEARNERS,
    answer_rows,
    rows_of,
    write_learners,
)

from transferlab.core.records import SPLITS
from transferlab.domain.base.rows import WHERE, BadItem
from transferlab.domain.loader import load_domain
from transferlab.domain.validation.domain_check import check_domain
from transferlab.errors import DataError


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
