"""From an export's prompts and somebody's files to samples; what does not fit is one sentence."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transferlab.core.records import Sample
from transferlab.errors import InputError
from transferlab.pipeline.use.questions import (
    Unreadable,
    check_values,
    files_of,
    own_question,
    question_of,
    samples_of,
)


def entry(**changes):
    shown = {"kind": "image", "frames": 1, "frames_per_second": None, "sound": False}
    return {
        "kind": "classify", "prompt": "<scan>\nNote: {note}\nWhat is it?",
        "choices": ["flu", "none"], "media": {"scan": shown}, "burned_in": None,
    } | changes  # fmt: skip


PROMPTS = {"chest": {"finding": entry(), "report": entry(choices=None)}, "films": {"why": entry()}}


@pytest.fixture
def pictures(tmp_path):
    for name in ("b.png", "a.png"):
        pixels = np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path


def ask(prompts=PROMPTS, *, domain=None, task=None, kind="image"):
    return question_of(prompts, domain=domain, task=task, kind=kind)


def test_a_task_becomes_a_sample_per_file_with_its_values(pictures):
    question = ask(domain="chest", task="finding")
    first, second = samples_of(question, files_of([pictures], "image"), {"note": "cough"})
    assert [first.id, second.id] == [str(pictures / "a.png"), str(pictures / "b.png")]
    assert first.prompt == "<image>\nNote: cough\nWhat is it?"
    assert first.choices == ("flu", "none")
    assert first.media[0].path == pictures.resolve() / "a.png"


def test_a_question_of_ones_own_is_taken_word_for_word(pictures):
    text = "Is {this} a <scan> of 5 > 3?"
    question = own_question(text, choices=["yes", "no", "yes"], kind="image", frames=4)
    (sample,) = samples_of(question, [pictures / "a.png"], {})
    assert sample.prompt == f"<image>\n{text}"
    assert sample.choices == ("yes", "no")
    free = own_question("What?", choices=[], kind="video", frames=4)
    assert (free.kind, free.media.frames) == ("answer", 4)


def test_a_file_that_cannot_be_read_is_reported_in_its_place(pictures):
    (pictures / "broken.png").write_text("no picture")
    (pictures / "grey.png").write_bytes(b"")
    found = list(samples_of(own_question("?", choices=[], kind="image", frames=1),
                            files_of([pictures], "image"), {}))  # fmt: skip
    assert [isinstance(one, Sample) for one in found] == [True, True, False, False]
    assert all(isinstance(one, Unreadable) and one.reason for one in found[2:])


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"task": "findin"}, "no such task. Did you mean 'finding'?"),
        ({"domain": "chest"}, "several tasks fit (chest/finding, chest/report)"),
        ({"task": "why", "kind": "dicom"}, "was trained on image, not on dicom: give --image"),
        ({"task": "why", "prompts": {}}, "It knows: none"),
        (
            {"task": "two", "prompts": {"x": {"two": entry(media={"a": {}, "b": {}})}}},
            "shows 2 media",
        ),
        (
            {"task": "r", "prompts": {"x": {"r": entry(kind="retrieve")}}},
            "among those of a whole split",
        ),
        (
            {"task": "r", "prompts": {"x": {"r": entry(media={"a": {"kind": "smell"}})}}},
            "describes no medium",
        ),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(asked, sentence):
    with pytest.raises(InputError) as caught:
        ask(**asked)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [({}, "give --value note=..."), ({"note": "a", "age": "9"}, "has no such column; it has note")],
)
def test_values_and_prompt_must_fit(values, sentence):
    with pytest.raises(InputError, match=sentence):
        check_values(ask(domain="chest", task="finding"), values)
    with pytest.raises(InputError, match="it has none"):
        check_values(own_question("{note}?", choices=[], kind="image", frames=1), {"note": "a"})


@pytest.mark.parametrize(
    ("prompt", "choices", "sentence"),
    [(" ", [], "is empty"), ("what?", ["yes", "yes"], "one alone"), ("an <image>", [], "marks a")],
)
def test_a_question_of_ones_own_must_be_one(prompt, choices, sentence):
    with pytest.raises(InputError, match=sentence):
        own_question(prompt, choices=choices, kind="image", frames=1)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        files_of([tmp_path / "gone.png"], "image")
    with pytest.raises(InputError, match="holds no files of kind dicom"):
        files_of([tmp_path], "dicom")


def test_burned_in_text_is_refused_where_the_domain_said_so():
    question = ask({"x": {"t": entry(burned_in="refuse")}}, task="t")
    assert (question.privacy.dicom, question.privacy.burned_in) == ("deidentify", "refuse")


def test_dicom_files_of_a_folder_are_known_by_their_marker(tmp_path, monkeypatch):
    """An archive names them by their UID: what looks like a suffix there is a number."""
    monkeypatch.chdir(tmp_path)
    folder = Path("studies")
    (folder / "a").mkdir(parents=True)
    content = bytes(128) + b"DICM"
    for name in ("a/1.2.840.113619.2.55", "IM000001", "x.dcm"):
        (folder / name).write_bytes(content)
    (folder / "broken.dcm").write_text("no picture")  # its name says so: it has a row
    (folder / "README").write_text("about the studies")
    names = [str(one) for one in files_of([folder], "dicom")]
    expected = ["IM000001", "a/1.2.840.113619.2.55", "broken.dcm", "x.dcm"]
    assert sorted(names) == [f"studies/{one}" for one in expected]
