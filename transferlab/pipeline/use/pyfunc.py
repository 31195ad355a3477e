"""A tuned model behind MLflow's ``predict``: a table of pictures and questions in, answers out.

MLflow has flavours for texts alone. An export of format ``mlflow`` names this class; its code, this
package's without the weights of the embedded backbone, travels with the model.
"""

from __future__ import annotations

import base64
import binascii
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel
from PIL import Image

from transferlab.core.records import MediaKind
from transferlab.errors import InputError
from transferlab.pipeline.use.opening import find_model
from transferlab.pipeline.use.predicting import Answer, answers
from transferlab.pipeline.use.questions import (
    Question,
    check_values,
    own_question,
    question_of,
)

MODEL = "model"
"""The artifact that holds the whole model."""
MEDIUM, PATH, PROMPT, CHOICES, DOMAIN, TASK = (
    "medium", "path", "prompt", "choices", "domain", "task",
)  # fmt: skip
RESERVED = (MEDIUM, PATH, PROMPT, CHOICES, DOMAIN, TASK)
"""Columns; any other is a value that a task's prompt asks for."""
BATCH_SAMPLES, MAX_NEW_TOKENS, FRAMES = 8, 48, 4
_DICOM_MARK = slice(128, 132)


class MultimodalModel(PythonModel):
    """Answers questions about media; see ``predict``."""

    def load_context(self, context: Any) -> None:
        """Load the model once."""
        named = find_model(context.artifacts[MODEL])
        self._prompts = named.prompts
        self._backbone = named.load()

    # The hint is one that MLflow takes for no signature: the export writes its own.
    def predict(
        self, context: Any, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Answer a question per row.

        Args:
            context: not used.
            model_input: a row has ``medium`` (the bytes of a
                picture, DICOM file or film, the same in base64, or an array (H, W), (H, W, 3) of
                uint8) or ``path``; and ``task`` (with ``domain`` where two have one of that name)
                or ``prompt`` with, if one of them is to be chosen, ``choices``. Other columns are
                what the task's prompt asks for.
            params: ``max_new_tokens`` and ``batch_samples``.

        Returns:
            Per row ``{"answer", "probabilities", "reason"}``; ``reason`` says why there is no
            answer and is empty where there is one.

        Raises:
            InputError: a row asks for what the model does not know.
        """
        rows = model_input.to_dict("records")
        how = {"batch_samples": BATCH_SAMPLES, "max_new_tokens": MAX_NEW_TOKENS}
        how |= {key: int(value) for key, value in (params or {}).items() if key in how}
        found = []
        with tempfile.TemporaryDirectory() as folder:
            for number, row in enumerate(rows):
                given = {key: value for key, value in row.items() if not _is_missing(value)}
                file, kind = _file(given, Path(folder) / str(number), number=number)
                question = self._question(given, kind)
                values = {k: str(v) for k, v in given.items() if k not in RESERVED}
                check_values(question, values)
                ((one,),) = answers(self._backbone, question, [file], values, **how)
                found.append(_record(one))
        return found

    def _question(self, row: Mapping[str, Any], kind: MediaKind) -> Question:
        if PROMPT not in row:
            return question_of(self._prompts, domain=row.get(DOMAIN), task=row.get(TASK), kind=kind)
        choices = [str(one) for one in row.get(CHOICES, ())]
        return own_question(str(row[PROMPT]), choices=choices, kind=kind, frames=FRAMES)


def _record(one: Answer) -> dict[str, Any]:
    """Without the file's name, which is one of ours."""
    return {key: value for key, value in one.record().items() if key != "file"}


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _file(row: Mapping[str, Any], target: Path, *, number: int) -> tuple[Path, MediaKind]:
    """The row's medium as a file, and what it is."""
    if PATH in row:
        path = Path(str(row[PATH]))
        try:
            with path.open("rb") as file:
                return path, _kind(file.read(_DICOM_MARK.stop), path)
        except OSError as error:
            raise InputError(f"row {number}: its path cannot be read ({error.strerror})") from None
    if MEDIUM not in row:
        raise InputError(f"row {number}: has no medium; give '{MEDIUM}' or '{PATH}'")
    content = _content(row[MEDIUM], number=number)
    target.write_bytes(content)
    return target, _kind(content, target)


def _content(given: Any, *, number: int) -> bytes:
    """The bytes of a file."""
    if isinstance(given, bytes):
        return given
    if isinstance(given, str):
        text = given.partition(",")[2] if given.startswith("data:") else given
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error:
            raise InputError(
                f"row {number}: '{MEDIUM}' is no base64; a file's name goes into '{PATH}'"
            ) from None
    pixels = np.asarray(given)
    if pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise InputError(
            f"row {number}: an array of shape {pixels.shape} is no picture; give (H, W) or "
            "(H, W, 3)"
        )
    if pixels.min() < 0 or pixels.max() > np.iinfo(np.uint8).max:
        raise InputError(f"row {number}: values of the array lie outside 0 to 255")
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _kind(start: bytes, path: Path) -> MediaKind:
    if start[_DICOM_MARK] == b"DICM":
        return "dicom"
    try:
        with Image.open(path):
            return "image"
    except (OSError, ValueError, Image.DecompressionBombError):
        return "video"  # a film, or nothing: its decoder says so
