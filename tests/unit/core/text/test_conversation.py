"""Samples of conversations: their turns, as one text, without media, with another answer."""

from dataclasses import replace
from pathlib import Path

import pytest

from transferlab.core.records import MediaRef, Sample
from transferlab.core.text.conversation import Turn, flatten_turns
from transferlab.errors import DataError

MEDIA = tuple(MediaRef(kind="image", path=Path(f"{n}.png")) for n in (1, 2))
ONE = Sample(
    id="s", domain="toy", task="talk", kind="answer", media=MEDIA, prompt="<image>\nAnd now?",
    answer="Better.", history=(
        Turn(role="system", text="Be short."),
        Turn(role="user", text="<image>\nWhat is it?"),
        Turn(role="assistant", text="A heart.", learned=True),
    ),
)  # fmt: skip


def test_the_prompt_is_the_last_turn_and_one_text_names_the_speakers():
    assert [turn.role for turn in ONE.turns] == ["system", "user", "assistant", "user"]
    assert ONE.full_prompt == (
        "Be short.\nUser: <image>\nWhat is it?\nAssistant: A heart.\nUser: <image>\nAnd now?"
    )
    lone = replace(ONE, history=(), media=MEDIA[:1])
    assert lone.full_prompt == lone.prompt
    assert flatten_turns(ONE.history[:2]) == "Be short.\n<image>\nWhat is it?"


def test_an_empty_prompt_after_a_history_is_no_turn():
    asked = replace(ONE, prompt="", media=MEDIA[:1])
    assert asked.turns == ONE.history
    assert replace(ONE, prompt="", history=(), media=()).turns == (Turn(role="user", text=""),)


def test_media_are_counted_over_all_turns():
    with pytest.raises(DataError, match=r"2 media slot\(s\), 1 media given"):
        replace(ONE, media=MEDIA[:1])


def test_without_media_and_with_another_answer():
    bare = ONE.without_media()
    assert bare.media == ()
    assert [turn.text for turn in bare.turns] == [
        "Be short.",
        "What is it?",
        "A heart.",
        "And now?",
    ]
    assert ONE.learns_history
    said = replace(ONE, choices=("Better.", "Worse.")).answered("I see nothing.")
    assert (said.answer, said.choices, said.learns_history) == ("I see nothing.", (), False)
    assert said.full_prompt == ONE.full_prompt
