"""Made-up lecture videos with transcripts: one table, one row per slide."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from transferlab.errors import InputError
from transferlab.worlds.lectures.figures import SUBJECTS
from transferlab.worlds.lectures.slides import (
    DIRECTIONS,
    HEIGHT,
    WIDTH,
    SlideStyle,
    draw_path,
    draw_slide,
    draw_style,
    film_slide,
)
from transferlab.worlds.lectures.speech import Speech, write_speech
from transferlab.worlds.lectures.video import Cue, write_film, write_transcript

FRAMES_PER_SECOND = 5
SLIDE_FRAMES = (10, 13)
"""Fewest and most frames of a slide: 2 to 2.6 seconds."""

SLIDES = (3, 4)
"""Fewest and most slides of a lecture."""

COLUMNS = (
    "file",
    "lecture_id",
    "transcript",
    "cue",
    "subject",
    "figure",
    "pointer",
    "explanation",
    "theme",
)


@dataclass(frozen=True, kw_only=True)
class Slide:
    """One slide of a lecture and the time it is shown, in frames."""

    figure: str
    pointer: str
    """A key of DIRECTIONS."""
    speech: Speech
    first_frame: int
    frames: int

    @property
    def cue(self) -> Cue:
        """Spoken while the slide is shown, from its second frame to its last but one."""
        last = self.first_frame + self.frames
        return Cue(
            start_seconds=(self.first_frame + 1) / FRAMES_PER_SECOND,
            end_seconds=(last - 1) / FRAMES_PER_SECOND,
            words=self.speech.words,
        )


def write(folder: Path, *, seed: int, samples: int) -> None:
    """Write ``metadata.csv``, ``videos/*.mp4`` and ``transcripts/*.vtt``: one row per slide.

    The transcript alone says when a slide is shown and what is said over it: a row names its cue.

    Args:
        folder: exists; what it holds under these names is replaced.
        seed: the same seed gives the same bytes (with the same libx264).
        samples: slides, at least 1; three or four make a lecture, the last one may be shorter.

    Raises:
        InputError: ``samples`` is below 1 or ``seed`` is negative.
        EnvironmentProblem: the installed PyAV has no H.264 encoder.
    """
    if samples < 1 or seed < 0:
        raise InputError(
            f"lectures: samples must be at least 1 and seed at least 0, got {samples} and {seed}"
        )
    for name in ("videos", "transcripts"):
        (folder / name).mkdir(exist_ok=True)
    rows: list[dict[str, str]] = []
    number = 0
    while len(rows) < samples:
        number += 1
        rows += _write_lecture(folder, seed=seed, number=number, most=samples - len(rows))
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _write_lecture(folder: Path, *, seed: int, number: int, most: int) -> list[dict[str, str]]:
    """The rows of one lecture of at most ``most`` slides, once its files are written."""
    rng = np.random.default_rng([seed, number])
    subject = list(SUBJECTS)[rng.integers(len(SUBJECTS))]
    style = draw_style(rng)
    slides = _plan(rng, subject)[:most]
    name = f"lecture-{number:04d}"
    frames = chain.from_iterable(
        _frames(rng, slide, subject=subject, style=style) for slide in slides
    )
    write_film(
        folder / "videos" / f"{name}.mp4",
        frames,
        size=(WIDTH, HEIGHT),
        frames_per_second=FRAMES_PER_SECOND,
    )
    write_transcript(folder / "transcripts" / f"{name}.vtt", [slide.cue for slide in slides])
    return [
        {
            "file": f"{name}.mp4",
            "lecture_id": name,
            "transcript": f"{name}.vtt",
            "cue": str(position),
            "subject": subject,
            "figure": slide.figure,
            "pointer": slide.pointer,
            "explanation": slide.speech.explanation,
            "theme": style.theme,
        }
        for position, slide in enumerate(slides, start=1)
    ]


def _plan(rng: np.random.Generator, subject: str) -> list[Slide]:
    """The slides of a lecture on ``subject``, one after the other."""
    slides: list[Slide] = []
    first = 0
    for _ in range(int(rng.integers(SLIDES[0], SLIDES[1] + 1))):
        figure = list(SUBJECTS[subject])[rng.integers(len(SUBJECTS[subject]))]
        frames = int(rng.integers(SLIDE_FRAMES[0], SLIDE_FRAMES[1] + 1))
        slides.append(
            Slide(
                figure=figure,
                pointer=list(DIRECTIONS)[rng.integers(len(DIRECTIONS))],
                speech=write_speech(rng, subject=subject, figure=figure),
                first_frame=first,
                frames=frames,
            )
        )
        first += frames
    return slides


def _frames(
    rng: np.random.Generator, slide: Slide, *, subject: str, style: SlideStyle
) -> Iterator[np.ndarray]:
    picture = draw_slide(style, subject=subject, figure=slide.figure, rng=rng)
    path = draw_path(rng, direction=slide.pointer, frames=slide.frames)
    return film_slide(picture, path, style, rng=rng)
