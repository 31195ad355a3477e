"""What a row of an MLflow model may hold as its medium."""

import base64
import io
import tempfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from transferlab.core.records import Prediction
from transferlab.errors import InputError
from transferlab.pipeline.use.pyfunc import MultimodalModel

PIXELS = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)


class Shapes:
    """Answers with the size of the picture that it is asked about."""

    writes = True

    def __init__(self):
        self.batches = []

    def generate(self, samples, *, batch_samples, max_new_tokens):
        self.batches.append(len(samples))
        found = []
        for one in samples:
            with Image.open(one.media[0].path) as picture:
                found.append(Prediction(sample=one, text=f"{picture.size} {one.prompt[-4:]}"))
        return found


def ask(**row):
    model = MultimodalModel()
    model._backbone, model._prompts = Shapes(), {}
    (answer,) = model.predict(None, pd.DataFrame([{"prompt": "what", **row}]))
    return answer


def as_png():
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    return file.getvalue()


def test_bytes_base64_an_address_an_array_and_a_path_are_one_picture(tmp_path):
    (tmp_path / "a.png").write_bytes(as_png())
    text = base64.b64encode(as_png()).decode()
    given = [
        {"medium": as_png()}, {"medium": text}, {"medium": f"data:image/png;base64,{text}"},
        {"medium": base64.encodebytes(as_png()).decode()}, {"medium": PIXELS.astype(float)},
        {"medium": PIXELS}, {"medium": PIXELS.tolist()}, {"path": str(tmp_path / "a.png")},
    ]  # fmt: skip
    answers = [ask(**one) for one in given]
    assert answers == [{"answer": "(30, 20) what", "probabilities": {}, "reason": ""}] * len(given)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({}, "row 0: has no medium"),
        ({"medium": "pictures/a.png"}, "is no base64"),
        ({"medium": np.zeros((2, 2, 2, 2))}, "is no picture"),
        ({"medium": np.full((9, 9), 300)}, "outside 0 to 255"),
        ({"medium": PIXELS / 255}, "no whole numbers from 0 to 255"),
        ({"medium": np.full((9, 9), np.nan)}, "no whole numbers from 0 to 255"),
        ({"medium": [[1, 2], [3]]}, "no array of one"),
        ({"medium": np.zeros((0, 9))}, "is no picture"),
        ({"medium": "Röntgen"}, "is no base64"),
        ({"medium": as_png(), "choices": "yes, no"}, "'choices' is a text"),
        ({"path": "gone.png"}, "row 0: its path cannot be read"),
        ({"medium": as_png(), "age": "9"}, "has no such column"),
    ],
)
def test_what_is_no_medium_is_one_sentence(row, sentence):
    with pytest.raises(InputError, match=sentence):
        ask(**row)


def test_a_file_that_is_nothing_has_its_reason(tmp_path):
    found = ask(medium=b"nothing at all")
    assert found["answer"] == ""
    assert found["reason"]
    assert tempfile.gettempdir() not in found["reason"], "a caller needs no path of this machine"


def test_rows_of_one_question_are_asked_together_and_answered_in_order():
    backbone = Shapes()
    rows = [
        {"medium": PIXELS[:, : 9 + n], "prompt": p} for n, p in enumerate(["what", "what", "who?"])
    ]
    model = MultimodalModel()
    model._backbone, model._prompts = backbone, {}
    found = model.predict(None, pd.DataFrame(rows), {"batch_samples": 2})
    assert [one["answer"] for one in found] == ["(9, 20) what", "(10, 20) what", "(11, 20) who?"]
    assert backbone.batches == [2, 1]
