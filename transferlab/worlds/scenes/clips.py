"""Clips of three frames: something moves, grows, or comes after something else."""

from collections.abc import Callable

import numpy as np

from transferlab.worlds.scenes.drawing import COLOURS, SIDE, background, finish, paint
from transferlab.worlds.scenes.objects import things_in
from transferlab.worlds.scenes.questions import Thing, pick
from transferlab.worlds.scenes.records import Question, Scene

MOTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
GROWTH = ("grows", "shrinks")
CLIP_FRAMES = 3
ASKS = ("Describe the clip.", "What happens in the clip?")


def clip(rng: np.random.Generator) -> Scene:
    """One of the three sorts."""
    return (moving, growing, appearing)[int(rng.integers(3))](rng)


def moving(rng: np.random.Generator) -> Scene:
    """One object moves left, right, up or down."""
    thing = things_in(rng, 1)[0]
    motion = pick(rng, tuple(MOTIONS))
    direction = np.asarray(MOTIONS[motion])
    step = int(rng.integers(14, 24))
    radius = int(rng.integers(9, 16))
    middle = rng.integers(40, SIDE - 40, size=2)
    frames = _frames(
        rng,
        lambda index: [(thing, middle + direction * step * (index - 1), radius)],
    )
    question = Question(
        task="motion",
        text="Which way does the object move?",
        answer=motion,
        choices=tuple(MOTIONS),
        others=("In which direction does the object move?", "Where does the object move to?"),
    )
    return _scene(frames, f"a {_describe(thing)} moves {motion}.", question)


def growing(rng: np.random.Generator) -> Scene:
    """One object becomes larger or smaller where it is."""
    thing = things_in(rng, 1)[0]
    grows = bool(rng.integers(2))
    least, step = int(rng.integers(9, 14)), int(rng.integers(5, 9))
    middle = rng.integers(40, SIDE - 40, size=2)
    frames = _frames(
        rng,
        lambda index: [(thing, middle, least + step * (index if grows else 2 - index))],
    )
    answer = GROWTH[0] if grows else GROWTH[1]
    question = Question(
        task="growth",
        text="Does the object grow or shrink?",
        answer=answer,
        choices=GROWTH,
        others=("What happens to the size of the object?",),
    )
    return _scene(frames, f"a {_describe(thing)} {answer}.", question)


def appearing(rng: np.random.Generator) -> Scene:
    """Three objects of different colours are seen one after another, one in each frame."""
    colours = [str(one) for one in rng.permutation(list(COLOURS))[:CLIP_FRAMES]]
    shown = []
    for colour in colours:
        thing = things_in(rng, 1)[0]
        changed = Thing(**{**vars(thing), "colour": colour})
        shown.append((changed, rng.integers(30, SIDE - 30, size=2), int(rng.integers(11, 18))))
    frames = _frames(rng, lambda index: [shown[index]])
    ends = (("first", colours[0]), ("last", colours[-1]))
    end, answer = ends[int(rng.integers(2))]
    one_question = Question(
        task="order",
        text=f"Which colour comes {end}?",
        answer=answer,
        choices=tuple(COLOURS),
        others=(f"What colour is the object that is shown {end}?",),
    )
    first, second = (int(one) for one in rng.permutation(CLIP_FRAMES)[:2])
    before = Question(
        task="before",
        text=f"Does {colours[first]} come before or after {colours[second]}?",
        answer="before" if first < second else "after",
        choices=("before", "after"),
        others=(f"Is {colours[first]} shown before or after {colours[second]}?",),
    )
    sentence = ", then ".join(f"a {_describe(thing)}" for thing, _, _ in shown)
    return _scene(frames, f"{sentence}.", one_question, before)


def _describe(thing: Thing) -> str:
    return f"{thing.texture} {thing.colour} {thing.shape}"


def _frames(
    rng: np.random.Generator,
    at: Callable[[int], list[tuple[Thing, np.ndarray, int]]],
) -> tuple[np.ndarray, ...]:
    """The pictures; ``at`` gives a frame's things, each with its centre (x, y) and radius."""
    # The same seed for every frame: grain, tilt and shade stay still while the object moves.
    changed = int(rng.integers(2**31))
    frames = []
    for index in range(CLIP_FRAMES):
        same = np.random.default_rng(changed)
        canvas = background(same)
        for thing, centre, radius in at(index):
            paint(
                canvas,
                shape=thing.shape,
                colour=thing.colour,
                texture=thing.texture,
                centre=(int(centre[0]), int(centre[1])),
                radius=radius,
                rng=same,
            )
        frames.append(finish(canvas))
    return tuple(frames)


def _scene(frames: tuple[np.ndarray, ...], description: str, *questions: Question) -> Scene:
    return Scene(
        kind="clip", images=frames, asks=ASKS, description=description, questions=questions
    )
