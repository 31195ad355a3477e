"""Scenes of one to four coloured objects."""

from collections.abc import Mapping

import numpy as np

from transferlab.worlds.scenes.drawing import (
    COLOURS,
    SHAPES,
    SIDE,
    TEXTURES,
    background,
    finish,
    paint,
)
from transferlab.worlds.scenes.questions import (
    POSITIONS,
    SIZES,
    Thing,
    pick,
    questions_about,
)
from transferlab.worlds.scenes.records import Scene

RADII = {"small": (11, 13), "large": (17, 19)}
RADII_ALONE = {"small": (11, 14), "large": (19, 26)}
"""Least and greatest radius, in pixels, of an object among others and of one that is alone."""


def things_in(rng: np.random.Generator, count: int) -> list[Thing]:
    """Objects in distinct cells, in reading order."""
    cells = sorted(int(cell) for cell in rng.choice(9, size=count, replace=False))
    return [
        Thing(
            shape=pick(rng, SHAPES),
            colour=pick(rng, tuple(COLOURS)),
            texture=pick(rng, TEXTURES),
            size=pick(rng, SIZES),
            cell=cell,
        )
        for cell in cells
    ]


def _paint_thing(
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


def objects(rng: np.random.Generator, *, least: int = 1, most: int = 4) -> Scene:
    """A picture of ``least`` to ``most`` objects."""
    things = things_in(rng, int(rng.integers(least, most + 1)))
    canvas = background(rng)
    for thing in things:
        _paint_thing(canvas, thing, RADII_ALONE if len(things) == 1 else RADII, rng)
    parts = [f"a {thing} at the {POSITIONS[thing.cell]}" for thing in things]
    return Scene(
        kind="single" if most == 1 else "objects",
        images=(finish(canvas),),
        asks=("Describe the picture.", "What is in the picture?", "List the objects."),
        description="; ".join(parts) + ".",
        questions=questions_about(things, rng),
    )
