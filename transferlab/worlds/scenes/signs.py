"""Characters, words and numbers; patterns of brightness, and gratings."""

import numpy as np

from transferlab.worlds.scenes.drawing import COLOURS, SIDE, background, finish, write_text
from transferlab.worlds.scenes.questions import pick
from transferlab.worlds.scenes.records import Question, Scene

DIGITS = tuple("0123456789")
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
WORDS = (
    "atom",
    "bone",
    "cell",
    "code",
    "film",
    "gene",
    "hand",
    "heat",
    "lens",
    "lung",
    "moon",
    "note",
    "plan",
    "rock",
    "star",
    "wave",
)
DIRECTIONS = ("level", "upright", "rising", "falling")
SCALES = ("fine", "coarse")
EDGES = ("left", "right", "top", "bottom")


def characters(rng: np.random.Generator) -> Scene:
    """One to three digits or capital letters in a row."""
    digits = bool(rng.integers(2))
    pool = DIGITS if digits else LETTERS
    word = "digit" if digits else "letter"
    count = int(rng.integers(1, 4))
    shown = [pool[int(rng.integers(len(pool)))] for _ in range(count)]
    canvas = background(rng)
    colour = tuple(COLOURS)[int(rng.integers(len(COLOURS)))]
    level = int(rng.integers(32, SIDE - 32))
    for index, character in enumerate(shown):
        x = SIDE * (2 * index + 1) // (2 * count) + int(rng.integers(-4, 5))
        y = level + int(rng.integers(-6, 7))
        height = int(rng.integers(34, 50))
        ink = np.asarray(COLOURS[colour])
        write_text(canvas, character, centre=(x, y), height=height, ink=ink)
    ends = (("first", shown[0]), ("last", shown[-1])) if count > 1 else (("only", shown[0]),)
    plural = word if count == 1 else f"{word}s"
    return Scene(
        kind="characters",
        images=(finish(canvas),),
        asks=("Read the picture.", f"Which {word}s are shown?"),
        description=f"the {colour} {plural} {' '.join(shown)}.",
        questions=tuple(
            Question(
                task=word,
                text=f"What is the {end} {word}?",
                answer=answer,
                choices=pool,
                others=(f"Read the {end} {word}.",),
            )
            for end, answer in ends
        ),
    )


def written(rng: np.random.Generator) -> Scene:
    """A written word, in the upper, middle or lower part of the picture."""
    shown, colour = pick(rng, WORDS), pick(rng, tuple(COLOURS))
    canvas = background(rng)
    centre = (SIDE // 2 + int(rng.integers(-8, 9)), int(rng.integers(24, SIDE - 24)))
    height = int(rng.integers(26, 36))
    write_text(canvas, shown, centre=centre, height=height, ink=np.asarray(COLOURS[colour]))
    return Scene(
        kind="word",
        images=(finish(canvas),),
        asks=("Read the picture.", "Which word is shown?"),
        description=f"the {colour} word {shown}.",
        questions=(
            Question(
                task="word",
                text="Which word is written?",
                answer=shown,
                choices=WORDS,
                others=("Read the word.",),
            ),
        ),
    )


def grating(rng: np.random.Generator) -> Scene:
    """Grey stripes over the whole picture, fine or coarse, in one of four directions."""
    direction, scale = pick(rng, DIRECTIONS), pick(rng, SCALES)
    period = rng.uniform(6, 9) if scale == "fine" else rng.uniform(16, 28)
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    along = {
        "level": rows,
        "upright": columns,
        # Rows count downwards: lines of equal sum rise to the right.
        "rising": (rows + columns) / np.sqrt(np.float32(2)),
        "falling": (rows - columns) / np.sqrt(np.float32(2)),
    }[direction]
    wave = np.sin(2 * np.pi * (along / period + rng.uniform()))
    noise = rng.standard_normal((SIDE, SIDE), dtype=np.float32) * rng.uniform(0, 20)
    picture = rng.uniform(80, 170) + rng.uniform(25, 70) * wave + noise
    return Scene(
        kind="grating",
        images=(finish(np.repeat(picture[:, :, None], 3, axis=2)),),
        asks=("Describe the pattern.",),
        description=f"{scale} {direction} stripes.",
        questions=(
            Question(
                task="direction",
                text="Are the stripes level, upright, rising or falling?",
                answer=direction,
                choices=DIRECTIONS,
                others=("Which way do the stripes run?",),
            ),
            Question(
                task="scale",
                text="Are the stripes fine or coarse?",
                answer=scale,
                choices=SCALES,
                others=("How wide are the stripes?",),
            ),
        ),
    )


def pattern(rng: np.random.Generator) -> Scene:
    """Grey patches over a slope of brightness; the patches mirrored about the middle, or not."""
    edge = EDGES[int(rng.integers(4))]
    mirrored = bool(rng.integers(2))
    slope = np.linspace(-1, 1, SIDE, dtype=np.float32)
    slope = slope if edge in ("right", "bottom") else -slope
    field = np.broadcast_to(slope if edge in ("left", "right") else slope[:, None], (SIDE, SIDE))
    half = rng.choice(np.array([-1, 0, 1], np.float32), size=(4, 2), p=(0.25, 0.5, 0.25))
    other = half[:, ::-1] if mirrored else half[rng.permutation(4)][:, ::-1]
    patches = np.kron(np.concatenate([half, other], axis=1), np.ones((28, 28), dtype=np.float32))
    grey = rng.uniform(90, 150) + rng.uniform(35, 70) * field + rng.uniform(20, 35) * patches
    grey = grey + rng.standard_normal((SIDE, SIDE), dtype=np.float32) * rng.uniform(0, 10)
    symmetric = bool(np.array_equal(other, half[:, ::-1]))
    word = "symmetric" if symmetric else "lopsided"
    return Scene(
        kind="pattern",
        images=(finish(np.repeat(grey[:, :, None], 3, axis=2)),),
        asks=("Describe the pattern.",),
        description=f"a {word} grey pattern, brightest at the {edge}.",
        questions=(
            Question(
                task="gradient",
                text="Which edge is brightest?",
                answer=edge,
                choices=EDGES,
                others=("Where is the pattern brightest?",),
            ),
            Question(
                task="symmetry",
                text="Is the pattern symmetric or lopsided?",
                answer=word,
                choices=("symmetric", "lopsided"),
                others=("Do the two halves mirror each other, symmetric or lopsided?",),
            ),
        ),
    )
