"""A sample's invariants are checked where it is made."""

from pathlib import Path

import pytest

from transferlab.core.records import DomainData, MediaRef, Sample
from transferlab.errors import DataError

IMAGE = MediaRef(kind="image", path=Path("a.png"))


def sample(**changes):
    facts = {
        "id": "s1",
        "domain": "cats",
        "task": "breed",
        "kind": "classify",
        "media": (IMAGE,),
        "prompt": "<image>\nWhich breed?",
        "answer": "tabby",
        "choices": ("tabby", "siamese"),
    }
    return Sample(**facts | changes)


def test_a_sound_sample_knows_whether_it_is_closed():
    assert sample().closed
    assert not sample(choices=()).closed


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"prompt": "Which breed?"}, "the prompt has 0 media slot(s), 1 media given"),
        ({"media": (IMAGE, IMAGE)}, "the prompt has 1 media slot(s), 2 media given"),
        ({"answer": " \n"}, "the answer is empty"),
        ({"answer": "lion"}, "the answer 'lion' is not one of tabby, siamese"),
    ],
)
def test_a_broken_sample_cannot_be_made(changes, expected):
    with pytest.raises(DataError) as caught:
        sample(**changes)
    assert str(caught.value) == f"sample 's1' of 'cats': {expected}"


def test_the_text_only_control_asks_the_same_without_slots():
    bare = sample(prompt="<image> <image>\nWhich breed?", media=(IMAGE, IMAGE)).without_media()
    assert (bare.prompt, bare.media, bare.answer) == ("Which breed?", (), "tabby")


def test_a_domain_has_the_tasks_that_have_a_metric():
    data = DomainData(
        name="cats",
        version=1,
        title="Cats",
        licence="CC0-1.0",
        primary_metrics={"breed": "accuracy", "note": "token_f1"},
        splits={},
        digest="0",
    )
    assert data.tasks == ("breed", "note")
