"""What learners are asked: a slide of a lecture, the words over it, and how hard that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from transferlab.worlds.learners.skills import PREREQUISITES, SUBJECT_OF
from transferlab.worlds.lectures.slides import (
    DIRECTIONS,
    draw_path,
    draw_slide,
    draw_style,
    film_slide,
)
from transferlab.worlds.lectures.speech import ASPECTS, Speech, write_speech

ASPECT_DIFFICULTY = dict(zip(ASPECTS, (-0.7, 0.8, 0.3, -0.4), strict=True))
"""Parts are easy to name, measuring is hard; the words tell which it is."""
FIGURE_DEVIATION = 0.9
"""Of the difficulties of figures, in logits; only the slide tells which figure it is."""
OWN_DEVIATION = 0.3
"""Of what is an item's own and nothing tells."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One question."""

    name: str
    figure: str
    """The skill that it takes."""
    speech: Speech
    difficulty: float
    """In logits; the mean over all items is 0."""

    @property
    def subject(self) -> str:
        return SUBJECT_OF[self.figure]


def draw_items(seed: int, count: int) -> list[Item]:
    """Items with all figures in turn, of difficulties that figure and words give away in part."""
    rng = np.random.default_rng([seed, 1])
    figures = list(PREREQUISITES)
    of_figure = dict(zip(figures, rng.normal(0, FIGURE_DEVIATION, size=len(figures)), strict=True))
    drawn: list[tuple[str, Speech]] = []
    hardness = np.zeros(count)
    for number in range(count):
        figure = figures[number % len(figures)]
        speech = write_speech(rng, subject=SUBJECT_OF[figure], figure=figure)
        own = rng.normal(0, OWN_DEVIATION)
        hardness[number] = of_figure[figure] + ASPECT_DIFFICULTY[_aspect(speech)] + own
        drawn.append((figure, speech))
    hardness -= hardness.mean()
    return [
        Item(name=f"item-{number:03d}", figure=figure, speech=speech, difficulty=float(hard))
        for number, ((figure, speech), hard) in enumerate(
            zip(drawn, hardness, strict=True), start=1
        )
    ]


def write_slides(folder: Path, items: Sequence[Item], *, seed: int) -> None:
    """One PNG per item: a frame of a lecture at the moment when its question would be asked."""
    for number, item in enumerate(items):
        rng = np.random.default_rng([seed, 2, number])
        style = draw_style(rng)
        slide = draw_slide(style, subject=item.subject, figure=item.figure, rng=rng)
        direction = list(DIRECTIONS)[rng.integers(len(DIRECTIONS))]
        path = draw_path(rng, direction=direction, frames=3)[1:2]
        (frame,) = film_slide(slide, path, style, rng=rng)
        Image.fromarray(frame).save(folder / f"{item.name}.png")


def _aspect(speech: Speech) -> str:
    """Which of ``ASPECTS`` is explained."""
    return next(one for one in ASPECTS if speech.explanation.startswith(one.partition("{")[0]))
