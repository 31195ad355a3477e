"""What can be asked about coloured objects; every answer can be read off the picture only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from transferlab.worlds.scenes.drawing import COLOURS, SHAPES, TEXTURES
from transferlab.worlds.scenes.records import Question

POSITIONS = (
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


def pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    """One of ``options``, each as likely as the others."""
    return options[int(rng.integers(len(options)))]


def questions_about(things: Sequence[Thing], rng: np.random.Generator) -> tuple[Question, ...]:
    """Every question about a picture of one to four objects."""
    count = Question(
        task="count",
        text="How many objects are there?",
        answer=NUMBERS[len(things) - 1],
        choices=NUMBERS,
        others=("Count the objects.", "What is the number of objects?"),
    )
    return (
        count,
        _presence(things, rng),
        *_by_shape(things),
        *_by_colour(things),
        *_checks(things, rng),
        *_relations(things),
        *_comparisons(things),
    )


def _unique(things: Sequence[Thing], attribute: str) -> list[Thing]:
    """The things whose ``attribute`` no other thing shares."""
    values = [getattr(thing, attribute) for thing in things]
    return [thing for thing in things if values.count(getattr(thing, attribute)) == 1]


def _by_shape(things: Sequence[Thing]) -> list[Question]:
    found = []
    for thing in _unique(things, "shape"):
        name = thing.shape
        found += [
            Question(
                task="colour",
                text=f"What colour is the {name}?",
                answer=thing.colour,
                choices=tuple(COLOURS),
                others=(f"Name the colour of the {name}.", f"The {name} has which colour?"),
            ),
            Question(
                task="texture",
                text=f"What is the texture of the {name}?",
                answer=thing.texture,
                choices=TEXTURES,
                others=(f"Is the {name} plain, striped or dotted?",),
            ),
            Question(
                task="size",
                text=f"Is the {name} small or large?",
                answer=thing.size,
                choices=SIZES,
                others=(f"How big is the {name}?",),
            ),
        ]
    return found


def _by_colour(things: Sequence[Thing]) -> list[Question]:
    found = []
    for thing in _unique(things, "colour"):
        name = f"the {thing.colour} object"
        found += [
            Question(
                task="shape",
                text=f"What shape is {name}?",
                answer=thing.shape,
                choices=SHAPES,
                others=(f"Name the shape of {name}.", f"Which shape does {name} have?"),
            ),
            Question(
                task="place",
                text=f"Where is {name}?",
                answer=POSITIONS[thing.cell],
                choices=POSITIONS,
                others=(f"Say where {name} lies.", f"In which part of the picture is {name}?"),
            ),
        ]
    return found


def _presence(things: Sequence[Thing], rng: np.random.Generator) -> Question:
    """Yes or no in equal shares; a "no" takes its colour and shape from things that are there."""
    there = {(thing.colour, thing.shape) for thing in things}
    colour, shape = sorted(there)[int(rng.integers(len(there)))]
    if rng.integers(2):
        mixed = [(c, s) for c, _ in sorted(there) for _, s in sorted(there) if (c, s) not in there]
        missing = mixed or [(c, s) for c in COLOURS for s in SHAPES if (c, s) not in there]
        colour, shape = missing[int(rng.integers(len(missing)))]
    return Question(
        task="presence",
        text=f"Is there a {colour} {shape}?",
        answer="yes" if (colour, shape) in there else "no",
        choices=YES_NO,
        others=(f"Does the picture show a {colour} {shape}?", f"Do you see a {colour} {shape}?"),
    )


def _checks(things: Sequence[Thing], rng: np.random.Generator) -> list[Question]:
    """Whether an object that shape tells apart has a colour; half of the colours are wrong."""
    found = []
    for thing in _unique(things, "shape"):
        colour = thing.colour
        if rng.integers(2):
            # One that another object has, where there is one: seeing the colour is not enough.
            others = [one.colour for one in things if one.colour != thing.colour]
            colour = pick(rng, others or [one for one in COLOURS if one != thing.colour])
        found.append(
            Question(
                task="check",
                text=f"Is the {thing.shape} {colour}?",
                answer="yes" if colour == thing.colour else "no",
                choices=YES_NO,
                others=(f"True or not: the {thing.shape} is {colour}?",),
            )
        )
    return found


def _relations(things: Sequence[Thing]) -> list[Question]:
    """Both orders of every pair that colour tells apart and that lies in other rows or columns."""
    found = []
    named = _unique(things, "colour")
    for one in named:
        for other in named:
            across = one.cell % 3 - other.cell % 3
            down = one.cell // 3 - other.cell // 3
            pair = f"the {one.colour} object", f"the {other.colour} object"
            if across:
                found.append(_relation(*pair, ("left", "right"), "of ", first=across < 0))
            if down:
                found.append(_relation(*pair, ("above", "below"), "", first=down < 0))
    return found


def _relation(
    one: str, other: str, positions: tuple[str, str], link: str, *, first: bool
) -> Question:
    return Question(
        task="relation",
        text=f"Is {one} {positions[0]} or {positions[1]} {link}{other}?",
        answer=positions[0] if first else positions[1],
        choices=positions,
        others=(f"Seen from {other}, is {one} {positions[0]} or {positions[1]}?",),
    )


def _comparisons(things: Sequence[Thing]) -> list[Question]:
    """Which of two objects that colour tells apart is larger, asked in both orders."""
    named = _unique(things, "colour")
    return [
        Question(
            task="compare",
            text=f"Which is larger, the {one.colour} or the {other.colour} object?",
            answer=(one if one.size == "large" else other).colour,
            choices=(one.colour, other.colour),
            others=(f"Compare the {one.colour} and the {other.colour} object: which is larger?",),
        )
        for one in named
        for other in named
        if one.size != other.size
    ]
