"""Conversations as samples: turns with their roles and media, and which answers are learned."""

from collections import Counter

import pytest
from domain_cases import write_picture
from test_chat import chat_domain

from transferlab.core.records import SPLITS
from transferlab.domain.loader import load_domain
from transferlab.domain.privacy import text_scrubber
from transferlab.domain.validation.domain_check import check_domain
from transferlab.errors import InputError

SYSTEM, ASKED, AGAIN, THEN = "Be short.", "<image>\nWhat is it?", "And <image>this?", "Both?"


def item(number):
    """Three exchanges with a system text; a picture in the first question, one in the second."""
    said = [
        ("system", SYSTEM),
        ("human", ASKED),
        ("gpt", f"A heart {number}."),
        ("human", AGAIN),
        ("gpt", f"A lung {number}."),
        ("human", THEN),
        ("gpt", "Yes."),
    ]
    return {
        "id": str(number),
        "images": [f"{number}.png", f"{number + 100}.png"],
        "conversations": [{"from": role, "value": text} for role, text in said],
    }  # fmt: skip


def domain(folder, *, answers=None, items=None, **changes):
    for number in range(12):
        for one in (number, number + 100):
            write_picture(folder / "pictures" / f"{one}.png", one)
    source = {
        "kind": "chat",
        "path": "chat.jsonl",
        "media": {"image": {"kind": "image", "path": "pictures/{path}"}},
        "options": {} if answers is None else {"answers": answers},
    }
    items = [item(number) for number in range(12)] if items is None else items
    return chat_domain(folder, items, source=source, **changes)


def samples_of(entry, **options):
    data = load_domain(entry, **options)
    return [one for split in SPLITS for one in data.splits[split]]


def by_answer(samples, text):
    return next(one for one in samples if one.answer == text)


def test_a_sample_per_answer_has_the_turns_before_it_with_their_pictures(tmp_path):
    samples = samples_of(domain(tmp_path))
    assert len(samples) == 36
    first = by_answer(samples, "A heart 4.")
    assert [(turn.role, turn.text) for turn in first.history] == [("system", SYSTEM)]
    assert (first.role, first.prompt) == ("user", ASKED)
    assert [ref.path.name for ref in first.media] == ["4.png"]
    second = by_answer(samples, "A lung 4.")
    assert [(turn.role, turn.text) for turn in second.history] == [
        ("system", SYSTEM), ("user", ASKED), ("assistant", "A heart 4."),
    ]  # fmt: skip
    assert second.prompt == AGAIN
    assert [ref.path.name for ref in second.media] == ["4.png", "104.png"]
    last = by_answer(samples, "Yes.")
    assert (len(last.history), last.prompt, len(last.media)) == (5, THEN, 2)
    assert last.history[3].text == AGAIN
    assert not any(one.learns_history for one in samples)
    assert last.full_prompt.startswith(f"{SYSTEM}\nUser: {ASKED}\nAssistant: A heart ")
    assert last.full_prompt.endswith(f"User: {THEN}")


def test_the_last_answer_alone_or_all_of_them_are_one_sample(tmp_path):
    every = samples_of(domain(tmp_path))
    last = samples_of(domain(tmp_path, answers="last"))
    whole = samples_of(domain(tmp_path, answers="all"))
    assert len(last) == len(whole) == 12
    assert {one.id for one in last} == {one.id for one in every if one.answer == "Yes."}
    assert {one.id for one in whole} == {one.id for one in last}
    assert not any(one.learns_history for one in last)
    for one in whole:
        learned = [turn.role for turn in one.history if turn.learned]
        assert learned == ["assistant", "assistant"]
    assert samples_of(domain(tmp_path, answers="each")) == every


def test_an_answer_of_weight_0_is_context_when_all_are_learned(tmp_path):
    items = [item(number) for number in range(12)]
    for one in items:
        one["conversations"][2]["weight"] = 0
        one["conversations"][6]["weight"] = 0
    samples = samples_of(domain(tmp_path, answers="all", items=items))
    assert {one.answer for one in samples} == {f"A lung {number}." for number in range(12)}
    assert not any(one.learns_history for one in samples)


def test_another_word_for_the_answers_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"source\.options\.answers"):
        load_domain(domain(tmp_path, answers="first"))


def test_the_digest_says_which_answers_are_learned(tmp_path):
    last, whole = (load_domain(domain(tmp_path, answers=one)).digest for one in ("last", "all"))
    assert last != whole


def test_what_a_tool_says_is_a_turn_of_its_own(tmp_path):
    items = [item(number) for number in range(12)]
    for number, one in enumerate(items):
        one["conversations"][4]["value"] = f"measure({number})"
        one["conversations"][5] = {"from": "observation", "value": f"{number} cm"}
        one["conversations"][6]["value"] = f"{number} centimetres."
    sample = by_answer(samples_of(domain(tmp_path, items=items)), "7 centimetres.")
    assert (sample.role, sample.prompt) == ("tool", "7 cm")
    assert sample.history[-1].text == "measure(7)"
    assert sample.full_prompt.endswith("Assistant: measure(7)\nTool: 7 cm")


def test_a_tasks_own_words_are_said_in_the_last_turn_and_other_questions_have_no_history(tmp_path):
    task = {"kind": "answer", "answer": "{answer}", "metrics": ["token_f1"]}
    entry = domain(
        tmp_path,
        items=[one | {"topic": "organs"} for one in map(item, range(12))],
        tasks={"talk": task | {"prompt": "{prompt}\nIn one word."}},
    )
    last = by_answer(samples_of(entry), "Yes.")
    assert (last.prompt, len(last.history)) == (f"{THEN}\nIn one word.", 5)
    words = [
        {"system": SYSTEM, "query": f"{n}?", "response": f"is {n}", "topic": str(n)}
        for n in range(12)
    ]
    entry = domain(tmp_path, items=words, tasks={"talk": task | {"prompt": "Say {topic}"}})
    assert {one.history for one in samples_of(entry)} == {()}


def test_the_control_without_pictures_loses_those_of_earlier_turns_too(tmp_path):
    last = by_answer(samples_of(domain(tmp_path)), "Yes.").without_media()
    assert last.media == ()
    assert "<image>" not in last.full_prompt
    assert [turn.text for turn in last.history][1] == "What is it?"


class Stars:
    """Takes digits for identifiers."""

    def __init__(self, model):
        pass

    def scrub(self, text, known):
        return "".join("*" if sign.isdigit() else sign for sign in text), Counter(known=1)


def test_earlier_turns_are_scrubbed_like_the_last(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFERLAB_PRIVACY_KEY", "a key that is long enough to be one")
    monkeypatch.setattr(text_scrubber, "Scrubber", Stars)
    items = [one | {"images": [], "conversations": [
        turn | {"value": turn["value"].replace("<image>", "") + f" MRN {number}"}
        for turn in one["conversations"]
    ]} for number, one in enumerate(map(item, range(12)))]  # fmt: skip
    entry = domain(tmp_path, items=items, group="id", privacy={"text": "scrub"})
    samples = samples_of(entry)
    assert len(samples) == 36
    for sample in samples:
        assert not any(sign.isdigit() for sign in sample.full_prompt)
    assert max(len(sample.history) for sample in samples) == 5


def test_the_same_last_question_after_another_history_is_another_question(tmp_path):
    items = [item(number) for number in range(12)]
    for number, one in enumerate(items):
        one["images"] = []
        one["conversations"][1]["value"] = f"Case {number}: what is it?"
        one["conversations"][3]["value"] = "And this?"
    assert duplicates(domain(tmp_path, items=items)) == 0
    for one in items:
        one["conversations"] = one["conversations"][5:]
    assert duplicates(domain(tmp_path, items=items)) == 11


def duplicates(entry):
    return sum(one.kind == "duplicate" for one in check_domain(entry).problems)
