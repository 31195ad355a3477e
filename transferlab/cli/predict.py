"""``transferlab predict``: put a question to a model about pictures, DICOM files or films."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transferlab.cli.options import (
    AdapterBase,
    AsJson,
    BatchSamples,
    Debug,
    Device,
    MaxNewTokens,
    TrustRemoteCode,
)
from transferlab.cli.output.terminal import complain, output, say, say_json
from transferlab.errors import DataError, InputError

if TYPE_CHECKING:
    from transferlab.core.records import MediaKind
    from transferlab.pipeline.use.opening import NamedModel
    from transferlab.pipeline.use.predicting import Answer
    from transferlab.pipeline.use.questions import Question

FRAMES = 4
MAX_SHOWN = 8
"""Choices whose probabilities are shown on the terminal; a file has all."""
Media = list[Path] | None


Image = Annotated[Media, typer.Option(help="A picture, or a folder; repeatable.")]
Dicom = Annotated[Media, typer.Option(help="A DICOM file, or a folder; repeatable.")]
Video = Annotated[Media, typer.Option(help="A film, or a folder; repeatable.")]
Choice = Annotated[
    list[str] | None, typer.Option(help="With --prompt: an answer to choose among; repeatable.")
]
Value = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN=TEXT", help="What the task's prompt asks for; repeatable."),
]
Frames = Annotated[
    int | None,
    typer.Option(min=1, help="With --prompt: frames of a film that are shown; default: 4."),
]
To = Annotated[
    Path | None, typer.Option(help="A .csv or .jsonl file; a stopped command goes on there.")
]


def predict(
    model: Annotated[str, typer.Argument(help="Folder of an exported model, or a Hub id.")],
    image: Image = None,
    dicom: Dicom = None,
    video: Video = None,
    prompt: Annotated[str | None, typer.Option(help="A question of your own.")] = None,
    choice: Choice = None,
    domain: Annotated[str | None, typer.Option(help="A domain that it was trained on.")] = None,
    task: Annotated[str | None, typer.Option(help="A task that it was trained on.")] = None,
    value: Value = None,
    frames: Frames = None,
    to: To = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace that file.")] = False,
    backbone: AdapterBase = None,
    device: Device = "auto",
    batch_samples: BatchSamples = 8,
    max_new_tokens: MaxNewTokens = 48,
    trust_remote_code: TrustRemoteCode = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Ask a model a question about files: a task that it was trained on, or one of your own.

    Example: transferlab predict exports/merged --dicom new-studies --task finding --to found.csv
    """
    from transferlab.pipeline.use.opening import find_model
    from transferlab.pipeline.use.questions import files_of, own_question, question_of

    given: dict[MediaKind, Media] = {"image": image, "dicom": dicom, "video": video}
    kind = _kind(given, prompt=prompt, of_task=[domain, task], choice=choice, frames=frames)
    if overwrite and to is None:
        raise InputError("--overwrite replaces the file of --to: name one, or leave it out")
    named = find_model(model, backbone=backbone, device=device, trust_remote_code=trust_remote_code)
    if prompt is None:
        question = question_of(named.prompts, domain=domain, task=task, kind=kind)
    else:
        question = own_question(prompt, choices=choice or [], kind=kind, frames=frames or FRAMES)
    found = _ask(
        named,
        question,
        files_of(given[kind] or [], kind),
        _values(value or []),
        to=to,
        overwrite=overwrite,
        batch_samples=batch_samples,
        max_new_tokens=max_new_tokens,
    )
    _show(found, question, to=to, as_json=as_json)


def _kind(
    given: Mapping[MediaKind, Media],
    *,
    prompt: str | None,
    of_task: Sequence[str | None],
    choice: Sequence[str] | None,
    frames: int | None,
) -> MediaKind:
    """What the files are, where the options go together.

    Raises:
        InputError: they do not.
    """
    kinds = [kind for kind, paths in given.items() if paths]
    if len(kinds) != 1:
        raise InputError("name files of one kind: --image, --dicom or --video")
    if prompt is not None and any(of_task):
        raise InputError("--prompt is a question of your own: leave out --domain and --task")
    if choice and prompt is None:
        raise InputError("--choice belongs to --prompt: a task has its own choices")
    if frames is not None and (prompt is None or kinds != ["video"]):
        raise InputError("--frames belongs to --video with --prompt: a task has its own number")
    return kinds[0]


def _values(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for one in given:
        column, equals, text = one.partition("=")
        if not equals or not column:
            raise InputError(f"--value {one}: write COLUMN=TEXT")
        found[column] = text
    return found


def _ask(
    named: NamedModel,
    question: Question,
    files: Sequence[Path],
    values: dict[str, str],
    *,
    to: Path | None,
    overwrite: bool,
    **how: int,
) -> list[Answer]:
    """All answers in the files' order; what an earlier command has answered is not asked again."""
    from transferlab.cli.output.progress import progress
    from transferlab.core.events import ignore, stage_events
    from transferlab.pipeline.use.predicting import AnswerFile, answers
    from transferlab.pipeline.use.questions import check_values

    check_values(question, values)  # before a model is loaded
    kept = None
    if to is not None:
        facts = {
            "model": named.identity,
            "question": question.identity,
            "values": values,
            "max_new_tokens": how["max_new_tokens"],
        }  # not the batch: a command that ran out of memory goes on with a smaller one
        kept = AnswerFile(to, facts=facts, overwrite=overwrite)
    done = {} if kept is None else kept.done
    left = [one for one in files if str(one) not in done]
    before = len(files) - len(left)
    if before:
        complain(f"{before} of {len(files)} file(s) were answered before a stop")
    if left:
        backbone = named.load()
        with (
            nullcontext(ignore) if kept is None else progress(output()) as listener,
            stage_events(listener, "answering") as report,
        ):
            answered = 0
            for batch in answers(backbone, question, left, values, **how):
                done |= {one.file: one for one in batch}
                if kept is not None:
                    kept.add(batch)
                answered += len(batch)
                report(answered, len(left))
    order = [str(one) for one in files]
    if kept is not None:
        kept.finish(order, question.choices)
    return [done[name] for name in order]


def _show(found: Sequence[Answer], question: Question, *, to: Path | None, as_json: bool) -> None:
    unanswered = [one for one in found if one.reason]
    if as_json:
        say_json([one.record() for one in found])
    elif to is not None:
        say(f"{len(found) - len(unanswered)} of {len(found)} file(s) answered: {to}")
    else:
        for one in found:
            if not one.reason:
                say(f"{one.file}: {one.answer}")
                likeliest = sorted(one.probabilities.items(), key=lambda pair: -pair[1])
                for label, probability in likeliest[:MAX_SHOWN]:
                    say(f"  {probability:.3f}  {label}")
        if question.choices:
            complain("probabilities are among the choices alone, and not calibrated")
    complain("for research: not a medical device, and not for clinical use")
    if unanswered:
        lines = [f"{one.file}: {one.reason}" for one in unanswered]
        raise DataError("\n".join([f"{len(lines)} file(s) have no answer", *lines]))
