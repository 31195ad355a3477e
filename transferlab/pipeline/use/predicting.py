"""Answers to a question about many files, written as they come, and gone on with after a stop."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from transferlab.core.files import report_disk_errors, write_text
from transferlab.core.protocols import Backbone
from transferlab.core.records import Prediction, Sample
from transferlab.errors import DataError, InputError
from transferlab.evaluation.likelihood import Baselines, answers_by
from transferlab.pipeline.use.questions import OWN, Question, Unreadable, samples_of

FORMATS = (".csv", ".jsonl")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model says about one file."""

    file: str
    answer: str
    """Empty where there is a reason."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """By choice, of those that were given, summing to 1; not calibrated. Empty for free text."""
    reason: str = ""
    """Why there is no answer."""

    def record(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "answer": self.answer,
            "probabilities": dict(self.probabilities),
            "reason": self.reason,
        }


def answers(
    backbone: Backbone,
    question: Question,
    files: Sequence[Path],
    values: Mapping[str, str],
    *,
    batch_samples: int,
    max_new_tokens: int,
) -> Iterator[list[Answer]]:
    """The answers, a batch at a time, in the order of ``files``.

    A choice's probability is the softmax of the choices' log-likelihoods. Of a question that
    somebody typed, what each choice gets without any question is taken away first: a model that was
    not trained on it prefers short ones (docs/statistics.md).

    Raises:
        InputError: values and prompt do not fit.
    """
    baselines = Baselines(backbone, batch_samples=batch_samples)
    for start in range(0, len(files), batch_samples):
        some = list(samples_of(question, files[start : start + batch_samples], values))
        samples = [one for one in some if isinstance(one, Sample)]
        given = _of_samples(
            backbone,
            question,
            samples,
            baselines,
            batch_samples=batch_samples,
            max_new_tokens=max_new_tokens,
        )
        yield [
            Answer(file=str(one.file), answer="", reason=one.reason)
            if isinstance(one, Unreadable)
            else given[one.id]
            for one in some
        ]


def _of_samples(
    backbone: Backbone,
    question: Question,
    samples: Sequence[Sample],
    baselines: Baselines,
    *,
    batch_samples: int,
    max_new_tokens: int,
) -> dict[str, Answer]:
    """By sample's id; where a batch fails, its samples are asked one by one."""
    if not samples:
        return {}
    ask = _chooser(backbone, question, baselines, batch_samples=batch_samples)
    if not question.choices:

        def ask(some: Sequence[Sample]) -> list[Answer]:
            written = backbone.generate(
                some, batch_samples=batch_samples, max_new_tokens=max_new_tokens
            )
            return [Answer(file=one.sample.id, answer=one.text) for one in written]

    try:
        return {one.file: one for one in ask(samples)}
    except DataError as error:
        if len(samples) == 1:
            (sample,) = samples
            return {sample.id: Answer(file=sample.id, answer="", reason=str(error))}
    found: dict[str, Answer] = {}
    for sample in samples:
        found |= _of_samples(
            backbone,
            question,
            [sample],
            baselines,
            batch_samples=batch_samples,
            max_new_tokens=max_new_tokens,
        )
    return found


def _chooser(
    backbone: Backbone, question: Question, baselines: Baselines, *, batch_samples: int
) -> Callable[[Sequence[Sample]], list[Answer]]:
    def ask(samples: Sequence[Sample]) -> list[Answer]:
        chosen: Sequence[Prediction] = backbone.score_choices(samples, batch_samples=batch_samples)
        scores = [np.array(one.log_likelihoods) for one in chosen]
        if question.task == OWN and backbone.writes:
            free = baselines.after(samples, content_free=True)
            scores = [own - bare for own, bare in zip(scores, free, strict=True)]
            chosen = answers_by(chosen, scores)
        return [
            Answer(
                file=one.sample.id,
                answer=one.text,
                probabilities=dict(zip(one.sample.choices, softmax(row).tolist(), strict=True)),
            )
            for one, row in zip(chosen, scores, strict=True)
        ]

    return ask


class AnswerFile:
    """A CSV or JSON-lines file of answers that is made whole, and gone on with after a stop.

    What has been answered stands beside it, in a file of JSON lines; the file itself is written
    when all is answered.
    """

    def __init__(self, to: Path, *, facts: Mapping[str, Any], overwrite: bool) -> None:
        """
        Args:
            to: ends with .csv or .jsonl.
            facts: by which an unfinished file is known to belong to the same question and model.
            overwrite: whether an earlier file may be replaced.

        Raises:
            InputError: it has another ending, is there already, or what stands beside it was made
                by another model or question, or is damaged.
        """
        if to.suffix not in FORMATS:
            raise InputError(f"--to {to}: end it with {' or '.join(FORMATS)}")
        if to.is_dir():
            raise InputError(f"--to {to}: is a folder; name a file")
        if to.exists() and not overwrite:
            raise InputError(f"{to}: is there already; choose another --to, or add --overwrite")
        self._to, self._unfinished = to, to.with_name(f".{to.name}.unfinished")
        text = json.dumps(facts, sort_keys=True)
        self._facts = {"facts": hashlib.sha256(text.encode()).hexdigest()}
        self.done: dict[str, Answer] = {}
        """By file: what was answered before a stop."""
        kept = self._kept()
        if len(kept) > 1:
            self._take_up(kept)
        else:  # nothing is lost with what has no answer yet: a model that could not be loaded
            kept = [json.dumps(self._facts) + "\n"]
        with report_disk_errors(self._unfinished):
            self._to.parent.mkdir(parents=True, exist_ok=True)
            self._unfinished.write_text("".join(kept), "utf-8")

    def _kept(self) -> list[str]:
        """Whole lines of an earlier command; the last that it wrote may be half."""
        try:
            text = self._unfinished.read_text("utf-8", errors="replace")
        except FileNotFoundError:
            return []
        # Not splitlines: an answer may hold one of the other characters that it takes for an end.
        return [f"{line}\n" for line in text.split("\n")[:-1]]

    def _take_up(self, kept: Sequence[str]) -> None:
        try:
            facts, *rest = map(json.loads, kept)
            self.done = {one["file"]: Answer(**one) for one in rest if facts == self._facts}
        except (ValueError, TypeError, KeyError):
            raise InputError(
                f"{self._unfinished}: is damaged, or none of ours; remove it, or choose another "
                "--to"
            ) from None
        if facts != self._facts:
            raise InputError(
                f"{self._unfinished}: was begun with another model, question or value; remove it, "
                "or choose another --to"
            )

    def add(self, given: Sequence[Answer]) -> None:
        """Keep a batch; what is kept survives a kill.

        Raises:
            EnvironmentProblem: the disk does not take it.
        """
        # In ASCII: the name of a file need not be Unicode, and comes back as it was.
        text = "".join(json.dumps(one.record()) + "\n" for one in given)
        with (
            report_disk_errors(self._unfinished),
            self._unfinished.open("a", encoding="utf-8") as f,
        ):
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        self.done |= {one.file: one for one in given}

    def finish(self, order: Sequence[str], choices: Sequence[str]) -> None:
        """Write the file, a row per name of ``order``, and remove what stands beside it."""
        rows = [self.done[name] for name in order]
        text = _as_csv(rows, choices) if self._to.suffix == ".csv" else _as_lines(rows)
        # Bytes of a file's name that are no Unicode are written as \udcff: UTF-8 has none of them.
        write_text(self._to, text.encode("utf-8", "backslashreplace").decode("utf-8"))
        self._unfinished.unlink()


def _as_lines(rows: Sequence[Answer]) -> str:
    return "".join(json.dumps(one.record(), ensure_ascii=False) + "\n" for one in rows)


def _as_csv(rows: Sequence[Answer], choices: Sequence[str]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["file", "answer", *(f"p({choice})" for choice in choices), "reason"])
    for one in rows:
        given = [one.probabilities.get(choice, math.nan) for choice in choices]
        cells = ["" if math.isnan(value) else f"{value:.6f}" for value in given]
        writer.writerow([_cell(one.file), _cell(one.answer), *cells, _cell(one.reason)])
    return file.getvalue()


def _cell(text: str) -> str:
    """A cell that a spreadsheet does not take for a formula: a model may write what it likes."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
