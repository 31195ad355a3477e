"""Answers are written whole, survive a stop, and are never those of another question."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from transferlab.core.records import Prediction
from transferlab.errors import DataError, InputError
from transferlab.pipeline.use.predicting import Answer, AnswerFile, answers
from transferlab.pipeline.use.questions import own_question, question_of

FACTS = {"model": "m", "question": "q"}


class Answers:
    """Prefers longer choices by their length; cannot take what is called 'bad'."""

    name, writes = "fake", True

    def __init__(self):
        self.asked = []

    def score_choices(self, samples, *, batch_samples):
        self.asked += [one.id for one in samples]
        if any("bad" in one.id for one in samples):
            raise DataError("bad.png: too long")
        return [
            Prediction(
                sample=one,
                text=max(one.choices, key=len),
                log_likelihoods=tuple(
                    float(len(choice)) + (choice == "no" and bool(one.media)) * 2
                    for choice in one.choices
                ),
            )
            for one in samples
        ]

    def generate(self, samples, *, batch_samples, max_new_tokens):
        return [Prediction(sample=one, text="=1+1") for one in samples]


@pytest.fixture
def files(tmp_path):
    found = []
    for name in ("a", "bad", "c"):
        pixels = np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        found.append(tmp_path / f"{name}.png")
    return found


def ask(question, files, backbone=None, batch_samples=8):
    given = answers(
        backbone or Answers(), question, files, {}, batch_samples=batch_samples, max_new_tokens=4
    )
    return [one for batch in given for one in batch]


def test_one_file_that_fails_takes_no_other_with_it(files):
    question = own_question("?", choices=["yes", "no"], kind="image", frames=1)
    first, bad, last = ask(question, files)
    assert (bad.answer, bad.reason) == ("", "bad.png: too long")
    assert first.answer == last.answer != ""


def test_probabilities_are_those_of_the_choices_alone(files):
    trained = {
        "d": {"t": {"kind": "classify", "prompt": "<x>?", "choices": ["yes", "no"],
                    "media": {"x": {"kind": "image"}}}}
    }  # fmt: skip
    (one,) = ask(question_of(trained, domain=None, task=None, kind="image"), files[:1])
    assert one.probabilities == pytest.approx({"yes": 1 / (1 + np.e), "no": np.e / (1 + np.e)})


def test_of_a_question_of_ones_own_what_choices_get_anyway_is_taken_away(files):
    """ "yes" is longer, and this model likes length; only what the picture adds counts."""
    question = own_question("?", choices=["yes", "no"], kind="image", frames=1)
    (one,) = ask(question, files[:1])
    assert one.answer == "no"
    assert one.probabilities["no"] == pytest.approx(np.exp(2) / (1 + np.exp(2)))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_stopped_command_goes_on_and_writes_all_in_order(tmp_path, suffix):
    to = tmp_path / f"out{suffix}"
    first = AnswerFile(to, facts=FACTS, overwrite=False)
    first.add([Answer(file="b", answer="no", probabilities={"yes": 0.25, "no": 0.75})])
    unfinished = tmp_path / f".out{suffix}.unfinished"
    with unfinished.open("a") as file:
        file.write('{"file": "a", "answ')  # killed in the middle of a line
    again = AnswerFile(to, facts=FACTS, overwrite=False)
    assert list(again.done) == ["b"]
    assert not to.exists()
    again.add([Answer(file="a", answer="", reason="it is broken")])
    again.finish(["a", "b"], ["yes", "no"])
    assert list(tmp_path.iterdir()) == [to]
    if suffix == ".csv":
        rows = list(csv.reader(to.open(encoding="utf-8")))
        assert rows == [
            ["file", "answer", "p(yes)", "p(no)", "reason"],
            ["a", "", "", "", "it is broken"],
            ["b", "no", "0.250000", "0.750000", ""],
        ]
    else:
        lines = [json.loads(line) for line in to.read_text("utf-8").splitlines()]
        assert [one["file"] for one in lines] == ["a", "b"]


def test_answers_of_another_question_are_not_gone_on_with(tmp_path):
    begun = AnswerFile(tmp_path / "out.csv", facts=FACTS, overwrite=False)
    begun.add([Answer(file="a", answer="yes")])
    with pytest.raises(InputError, match="was begun with another model, question"):
        AnswerFile(tmp_path / "out.csv", facts=FACTS | {"model": "n"}, overwrite=False)


def test_a_command_that_answered_nothing_bars_no_other(tmp_path):
    """Its model could not be loaded, say; the next names another."""
    AnswerFile(tmp_path / "out.csv", facts=FACTS, overwrite=False)
    AnswerFile(tmp_path / "out.csv", facts=FACTS | {"model": "n"}, overwrite=False)
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        AnswerFile(tmp_path / "b.csv", facts=FACTS, overwrite=True)


@pytest.mark.parametrize("line", ["{", "[]", '{"file": "a", "sure": 1}', '{"answer": "yes"}'])
def test_what_is_no_unfinished_file_is_one_sentence(tmp_path, line):
    begun = AnswerFile(tmp_path / "out.csv", facts=FACTS, overwrite=False)
    begun.add([Answer(file="a", answer="yes")])
    with (tmp_path / ".out.csv.unfinished").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(InputError, match="is damaged, or none of ours"):
        AnswerFile(tmp_path / "out.csv", facts=FACTS, overwrite=False)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("text", ["a\u2028b", "a\x85b", "Röntgen", "b\udcff"])
def test_any_answer_and_any_name_survive_a_stop(tmp_path, text, suffix):
    """Unicode's line ends, and names that are no Unicode, as os.listdir gives them."""
    to = tmp_path / f"out{suffix}"
    AnswerFile(to, facts=FACTS, overwrite=False).add([Answer(file=text, answer=text)])
    again = AnswerFile(to, facts=FACTS, overwrite=False)
    assert again.done == {text: Answer(file=text, answer=text)}
    again.finish([text], [])
    written = to.read_text("utf-8")
    assert text.replace("\udcff", "\\udcff") in written


def test_an_earlier_file_is_not_lost(tmp_path):
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        AnswerFile(tmp_path / "out.csv", facts=FACTS, overwrite=False)
    with pytest.raises(InputError, match=r"end it with \.csv or \.jsonl"):
        AnswerFile(tmp_path / "out.xlsx", facts=FACTS, overwrite=True)


def test_what_a_model_writes_is_no_formula(files, tmp_path):
    given = ask(own_question("?", choices=[], kind="image", frames=1), files[:1])
    file = AnswerFile(tmp_path / "out.csv", facts=FACTS, overwrite=False)
    file.add(given)
    file.finish([given[0].file], [])
    assert "'=1+1" in (tmp_path / "out.csv").read_text("utf-8")
