"""Scenes of one to four coloured objects, and short clips of one that moves."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from transferlab.domain.synthetic.scenes_draw import (
    COLOURS,
    SHAPES,
    SIDE,
    TEXTURES,
    background,
    finish,
    paint,
)
from transferlab.domain.synthetic.scenes_record import Question, Scene

PLACES = (
    "upper left",
    "top",
    "upper right",
    "left",
    "centre",
    "right",
    "lower left",
    "bottom",
    "lower right",
)
NUMBERS = ("one", "two", "three", "four")
SIZES = ("small", "large")
YES_NO = ("yes", "no")
MOTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
CLIP_FRAMES = 3
RADII = {"small": (11, 13), "large": (17, 19)}
RADII_ALONE = {"small": (11, 14), "large": (19, 26)}
"""Least and greatest radius, in pixels, of an object among others and of one that is alone."""


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One object; ``cell`` is its place in the 3 x 3 grid, row by row."""

    shape: str
    colour: str
    texture: str
    size: str
    cell: int

    def __str__(self) -> str:
        return f"{self.size} {self.texture} {self.colour} {self.shape}"


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _things(rng: np.random.Generator, count: int) -> list[Thing]:
    """Objects in distinct cells, in reading order."""
    cells = sorted(int(cell) for cell in rng.choice(9, size=count, replace=False))
    return [
        Thing(
            shape=_pick(rng, SHAPES),
            colour=_pick(rng, tuple(COLOURS)),
            texture=_pick(rng, TEXTURES),
            size=_pick(rng, SIZES),
            cell=cell,
        )
        for cell in cells
    ]


def _place(
    canvas: np.ndarray, thing: Thing, radii: Mapping[str, tuple[int, int]], rng: np.random.Generator
) -> None:
    low, high = radii[thing.size]
    radius = int(rng.integers(low, high + 1))
    jitter = rng.integers(-3, 4, size=2)
    # A large one in an outer cell moves inwards, so that no more than its rim is cut off.
    room = min(SIDE // 2, max(19, round(0.9 * radius)))
    x, y = (
        int(np.clip(19 + 37 * at + int(shift), room, SIDE - room))
        for at, shift in zip((thing.cell % 3, thing.cell // 3), jitter, strict=True)
    )
    paint(
        canvas,
        shape=thing.shape,
        colour=thing.colour,
        texture=thing.texture,
        centre=(x, y),
        radius=radius,
        rng=rng,
    )


def _unique(things: list[Thing], attribute: str) -> list[Thing]:
    """The things whose ``attribute`` no other thing shares."""
    values = [getattr(thing, attribute) for thing in things]
    return [thing for thing in things if values.count(getattr(thing, attribute)) == 1]


def _attribute_questions(things: list[Thing]) -> list[Question]:
    found = []
    for thing in _unique(things, "shape"):
        found += [
            Question(
                task="colour",
                text=f"What colour is the {thing.shape}?",
                answer=thing.colour,
                choices=tuple(COLOURS),
            ),
            Question(
                task="texture",
                text=f"What is the texture of the {thing.shape}?",
                answer=thing.texture,
                choices=TEXTURES,
            ),
            Question(
                task="size",
                text=f"Is the {thing.shape} small or large?",
                answer=thing.size,
                choices=SIZES,
            ),
        ]
    for thing in _unique(things, "colour"):
        found += [
            Question(
                task="shape",
                text=f"What shape is the {thing.colour} object?",
                answer=thing.shape,
                choices=SHAPES,
            ),
            Question(
                task="place",
                text=f"Where is the {thing.colour} object?",
                answer=PLACES[thing.cell],
                choices=PLACES,
            ),
        ]
    return found


def _presence(things: list[Thing], rng: np.random.Generator) -> Question:
    """Yes or no in equal shares; a "no" takes its colour and shape from things that are there."""
    there = {(thing.colour, thing.shape) for thing in things}
    colour, shape = sorted(there)[int(rng.integers(len(there)))]
    if rng.integers(2):
        mixed = [(c, s) for c, _ in sorted(there) for _, s in sorted(there) if (c, s) not in there]
        absent = mixed or [(c, s) for c in COLOURS for s in SHAPES if (c, s) not in there]
        colour, shape = absent[int(rng.integers(len(absent)))]
    return Question(
        task="presence",
        text=f"Is there a {colour} {shape}?",
        answer="yes" if (colour, shape) in there else "no",
        choices=YES_NO,
    )


def _relations(things: list[Thing]) -> list[Question]:
    """Both orders of every pair that colour tells apart and that lies in other rows or columns."""
    found = []
    named = _unique(things, "colour")
    for one in named:
        for other in named:
            across = one.cell % 3 - other.cell % 3
            down = one.cell // 3 - other.cell // 3
            pair = f"the {one.colour} object", f"the {other.colour} object"
            if across:
                found.append(
                    Question(
                        task="relation",
                        text=f"Is {pair[0]} left or right of {pair[1]}?",
                        answer="left" if across < 0 else "right",
                        choices=("left", "right"),
                    )
                )
            if down:
                found.append(
                    Question(
                        task="relation",
                        text=f"Is {pair[0]} above or below {pair[1]}?",
                        answer="above" if down < 0 else "below",
                        choices=("above", "below"),
                    )
                )
    return found


def objects(rng: np.random.Generator, *, least: int = 1, most: int = 4) -> Scene:
    """A picture of ``least`` to ``most`` objects."""
    things = _things(rng, int(rng.integers(least, most + 1)))
    canvas = background(rng)
    for thing in things:
        _place(canvas, thing, RADII_ALONE if len(things) == 1 else RADII, rng)
    parts = [f"a {thing} at the {PLACES[thing.cell]}" for thing in things]
    count = Question(
        task="count",
        text="How many objects are there?",
        answer=NUMBERS[len(things) - 1],
        choices=NUMBERS,
    )
    return Scene(
        kind="single" if most == 1 else "objects",
        images=(finish(canvas),),
        ask="Describe the picture.",
        description="; ".join(parts) + ".",
        questions=(
            count,
            _presence(things, rng),
            *_attribute_questions(things),
            *_relations(things),
        ),
    )


def clip(rng: np.random.Generator) -> Scene:
    """Three frames in which one object moves."""
    thing = _things(rng, 1)[0]
    motion = _pick(rng, tuple(MOTIONS))
    direction = np.asarray(MOTIONS[motion])
    step = int(rng.integers(14, 24))
    radius = int(rng.integers(9, 16))
    middle = rng.integers(40, SIDE - 40, size=2)
    start = middle - direction * step
    # The same seed for every frame: grain, tilt and shade stay still while the object moves.
    look = int(rng.integers(2**31))
    frames = []
    for index in range(CLIP_FRAMES):
        same = np.random.default_rng(look)
        canvas = background(same)
        at = start + direction * step * index
        paint(
            canvas,
            shape=thing.shape,
            colour=thing.colour,
            texture=thing.texture,
            centre=(int(at[0]), int(at[1])),
            radius=radius,
            rng=same,
        )
        frames.append(finish(canvas))
    return Scene(
        kind="clip",
        images=tuple(frames),
        ask="Describe the clip.",
        description=f"a {thing.texture} {thing.colour} {thing.shape} moves {motion}.",
        questions=(
            Question(
                task="motion",
                text="Which way does the object move?",
                answer=motion,
                choices=tuple(MOTIONS),
            ),
        ),
    )
