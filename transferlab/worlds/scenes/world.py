"""The general source world: generated pictures and clips with descriptions and closed questions.

Deterministic from a seed. ``scene`` and ``exchange`` stream; ``write`` makes the files that
``domains/scenes/domain.yaml`` reads.
"""

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from transferlab.core.records import MEDIA_SLOT
from transferlab.errors import InputError
from transferlab.worlds.scenes.charts import chart, diagram
from transferlab.worlds.scenes.clips import clip
from transferlab.worlds.scenes.files import write_film, write_picture
from transferlab.worlds.scenes.grey_images import grey
from transferlab.worlds.scenes.objects import objects
from transferlab.worlds.scenes.outlines import outline
from transferlab.worlds.scenes.records import Question, Scene, SceneExchange
from transferlab.worlds.scenes.signs import characters, grating, pattern, written

KINDS: dict[str, Callable[[np.random.Generator], Scene]] = {
    "single": partial(objects, most=1),
    "objects": partial(objects, least=2),
    "characters": characters,
    "word": written,
    "pattern": pattern,
    "grating": grating,
    "grey": grey,
    "outline": outline,
    "chart": chart,
    "diagram": diagram,
    "clip": clip,
}
"""Every kind of scene, by name."""


def scene(rng: np.random.Generator, *, kind: str | None = None) -> Scene:
    """Draw one scene of ``kind``, or of any kind.

    Raises:
        InputError: no such kind.
    """
    if kind is None:
        kind = tuple(KINDS)[int(rng.integers(len(KINDS)))]
    if kind not in KINDS:
        raise InputError(f"no kind of scene is called '{kind}'; choose from {', '.join(KINDS)}")
    return KINDS[kind](rng)


LISTED_SHARE = 0.2
"""Of closed questions, those that name their choices."""
_MOST_LISTED = 7


def worded(question: Question, rng: np.random.Generator) -> str:
    """One of a question's wordings; some name the choices, in any order."""
    texts = (question.text, *question.others)
    text = texts[int(rng.integers(len(texts)))]
    if rng.random() < LISTED_SHARE and len(question.choices) <= _MOST_LISTED:
        choices = [str(one) for one in rng.permutation(question.choices)]
        text += f" Choose from: {', '.join(choices)}."
    return text


def ask_for(drawn: Scene, rng: np.random.Generator) -> str:
    """One of the ways to ask for a scene's description."""
    return drawn.asks[int(rng.integers(len(drawn.asks)))]


COLUMNS = ("scene", "kind", "task", "file", "question", "answer", "choices")
_EXCHANGES_PER_SCENE = 3


def exchange(
    rng: np.random.Generator, *, kind: str | None = None, describe_share: float = 0.3
) -> SceneExchange:
    """One exchange about a new scene: a description with probability ``describe_share``.

    Raises:
        InputError: no such kind.
    """
    drawn = scene(rng, kind=kind)
    group = f"{int(rng.integers(2**63)):016x}"
    if rng.random() < describe_share:
        return _description(drawn, rng, group=group)
    return _question(drawn, rng, group=group, spent=frozenset())


def write(folder: Path, *, seed: int, samples: int) -> None:
    """Write ``samples`` exchanges about generated scenes, up to three about each scene.

    Makes ``metadata.csv`` with the columns ``COLUMNS`` (``choices`` is a JSON list, empty for
    descriptions), and ``images/*.png`` and ``clips/*.mp4``, named by scene.
    """
    (folder / "images").mkdir(parents=True)
    (folder / "clips").mkdir()
    rng = np.random.default_rng([seed, 0x5CE7E5])
    kinds = tuple(KINDS)
    written = 0
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        number = 0
        while written < samples:
            drawn = scene(rng, kind=kinds[number % len(kinds)])
            name = f"scene-{number:05d}"
            path = _write_media(folder, name, drawn)
            for made in _exchanges(drawn, rng, group=name)[: samples - written]:
                question_text = made.prompt.partition("\n")[2]
                choices = json.dumps(made.choices) if made.choices else ""
                table.writerow(
                    (name, drawn.kind, made.task, path, question_text, made.answer, choices)
                )
                written += 1
            number += 1


def _write_media(folder: Path, name: str, drawn: Scene) -> str:
    """The path of the scene's file, relative to ``folder``."""
    if len(drawn.images) > 1:
        path = f"clips/{name}.mp4"
        write_film(folder / path, drawn.images)
    else:
        path = f"images/{name}.png"
        write_picture(folder / path, drawn.images[0])
    return path


def _exchanges(drawn: Scene, rng: np.random.Generator, *, group: str) -> list[SceneExchange]:
    """A description, or questions of different tasks; one scene in four is described."""
    if rng.integers(4) == 0:
        return [_description(drawn, rng, group=group)]
    tasks = {question.task for question in drawn.questions}
    made: list[SceneExchange] = []
    while len(made) < min(_EXCHANGES_PER_SCENE, len(tasks)):
        spent = frozenset(one.task for one in made)
        made.append(_question(drawn, rng, group=group, spent=spent))
    return made


def _slots(drawn: Scene) -> str:
    return MEDIA_SLOT * len(drawn.images) + "\n"


def _description(drawn: Scene, rng: np.random.Generator, *, group: str) -> SceneExchange:
    return SceneExchange(
        images=drawn.images,
        prompt=_slots(drawn) + ask_for(drawn, rng),
        answer=drawn.description,
        choices=(),
        task="describe",
        group=group,
    )


def _question(
    drawn: Scene, rng: np.random.Generator, *, group: str, spent: frozenset[str]
) -> SceneExchange:
    """One question of a task that is not in ``spent``."""
    # A task first, then one of its questions: a scene has many more questions of some tasks.
    tasks = sorted({question.task for question in drawn.questions} - spent)
    task = tasks[int(rng.integers(len(tasks)))]
    fitting = [question for question in drawn.questions if question.task == task]
    chosen = fitting[int(rng.integers(len(fitting)))]
    return SceneExchange(
        images=drawn.images,
        prompt=_slots(drawn) + worded(chosen, rng),
        answer=chosen.answer,
        choices=chosen.choices,
        task=task,
        group=group,
    )
