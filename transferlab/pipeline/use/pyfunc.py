"""A tuned model behind MLflow's ``predict``: a table of pictures and questions in, answers out.

MLflow has flavours for texts alone. An export of format ``mlflow`` names this class; its code, this
package's without the weights of the embedded backbone, travels with the model.
"""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.pyfunc import PythonModel
from PIL import Image

from transferlab.core.records import MediaKind
from transferlab.domain.base.file_tree import is_dicom
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
        with tempfile.TemporaryDirectory() as folder:
            asked = [
                self._asked(row, Path(folder) / f"row-{number}", number=number)
                for number, row in enumerate(rows)
            ]
            found: list[dict[str, Any]] = []
            # Neighbours with one question are asked together.
            for _, group in groupby(asked, key=lambda one: (one[0].identity, one[1])):
                some = list(group)
                question, values, _ = some[0]
                files = [file for _, _, file in some]
                for batch in answers(self._backbone, question, files, values, **how):
                    found += [_record(one, folder) for one in batch]
        return found

    def _asked(
        self, row: Mapping[str, Any], target: Path, *, number: int
    ) -> tuple[Question, dict[str, str], Path]:
        """A row's question, what it gives the prompt, and its medium as a file."""
        given = {str(key): value for key, value in row.items() if not _is_missing(value)}
        file, kind = _file(given, target, number=number)
        question = self._question(given, kind)
        values = {key: str(value) for key, value in given.items() if key not in RESERVED}
        check_values(question, values)
        return question, values, file

    def _question(self, row: Mapping[str, Any], kind: MediaKind) -> Question:
        if PROMPT not in row:
            return question_of(self._prompts, domain=row.get(DOMAIN), task=row.get(TASK), kind=kind)
        choices = row.get(CHOICES, ())
        if isinstance(choices, str):
            raise InputError(f"'{CHOICES}' is a text; give a list of texts")
        choices = [str(one) for one in choices]
        return own_question(str(row[PROMPT]), choices=choices, kind=kind, frames=FRAMES)


def _record(one: Answer, folder: str) -> dict[str, Any]:
    """Without the file's name, and without our folder in a reason: a server tells nobody of it."""
    found = {key: value for key, value in one.record().items() if key != "file"}
    reason = one.reason
    for ours in (f"{Path(folder).resolve()}/", f"{folder}/"):
        reason = reason.replace(ours, "")
    return found | {"reason": reason}


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _file(row: Mapping[str, Any], target: Path, *, number: int) -> tuple[Path, MediaKind]:
    """The row's medium as a file, and what it is."""
    if PATH in row:
        path = Path(str(row[PATH]))
        try:
            return path, _kind(path)
        except OSError as error:
            raise InputError(f"row {number}: its path cannot be read ({error.strerror})") from None
    if MEDIUM not in row:
        raise InputError(f"row {number}: has no medium; give '{MEDIUM}' or '{PATH}'")
    content = _content(row[MEDIUM], number=number)
    target.write_bytes(content)
    return target, _kind(target)


def _content(given: Any, *, number: int) -> bytes:
    """The bytes of a file."""
    if isinstance(given, bytes):
        return given
    if isinstance(given, str):
        text = given.partition(",")[2] if given.startswith("data:") else given
        try:
            return base64.b64decode("".join(text.split()), validate=True)  # may be in lines
        except ValueError:
            raise InputError(
                f"row {number}: '{MEDIUM}' is no base64; a file's name goes into '{PATH}'"
            ) from None
    try:
        pixels = np.asarray(given, dtype=float)
    except (ValueError, TypeError):
        raise InputError(f"row {number}: '{MEDIUM}' is no picture, and no array of one") from None
    if not pixels.size or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise InputError(
            f"row {number}: an array of shape {pixels.shape} is no picture; give (H, W) or "
            "(H, W, 3)"
        )
    if pixels.min() < 0 or pixels.max() > np.iinfo(np.uint8).max:
        raise InputError(f"row {number}: values of the array lie outside 0 to 255")
    if (pixels != np.floor(pixels)).any():
        # Values from 0 to 1, cut to whole numbers, would be a black picture.
        raise InputError(f"row {number}: values of the array are no whole numbers from 0 to 255")
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _kind(path: Path) -> MediaKind:
    """What a file is, by what stands in it.

    Raises:
        OSError: it cannot be read.
    """
    if is_dicom(path):
        return "dicom"
    try:
        with Image.open(path):
            return "image"
    except (OSError, ValueError, Image.DecompressionBombError):
        return "video"  # a film, or nothing: its decoder says so
