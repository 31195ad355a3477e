"""Pictures of characters, and of brightness patterns with or without mirror symmetry."""

import numpy as np

from transferlab.domain.synthetic.scenes_draw import COLOURS, SIDE, background, finish, write_text
from transferlab.domain.synthetic.scenes_record import Question, Scene

DIGITS = tuple("0123456789")
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
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
        ask="Read the picture.",
        description=f"the {colour} {plural} {' '.join(shown)}.",
        questions=tuple(
            Question(task=word, text=f"What is the {end} {word}?", answer=answer, choices=pool)
            for end, answer in ends
        ),
    )


def pattern(rng: np.random.Generator) -> Scene:
    """Grey patches over a slope of brightness; the patches mirrored about the middle, or not."""
    edge = EDGES[int(rng.integers(4))]
    mirrored = bool(rng.integers(2))
    slope = np.linspace(-1, 1, SIDE, dtype=np.float32)
    slope = slope if edge in ("right", "bottom") else -slope
    field = np.broadcast_to(slope if edge in ("left", "right") else slope[:, None], (SIDE, SIDE))
    half = np.zeros((7, 4), dtype=np.float32)
    half[rng.integers(0, 7, size=5), rng.integers(0, 3, size=5)] = rng.choice([-1, 1], size=5)
    other = half[:, ::-1] if mirrored else half[rng.permutation(7)][:, ::-1]
    patches = np.kron(np.concatenate([half, other], axis=1), np.ones((16, 14), dtype=np.float32))
    grey = rng.uniform(90, 150) + rng.uniform(35, 70) * field + rng.uniform(20, 35) * patches
    grey = grey + rng.standard_normal((SIDE, SIDE), dtype=np.float32) * rng.uniform(0, 10)
    symmetric = bool(np.array_equal(other, half[:, ::-1]))
    word = "symmetric" if symmetric else "lopsided"
    return Scene(
        kind="pattern",
        images=(finish(np.repeat(grey[:, :, None], 3, axis=2)),),
        ask="Describe the pattern.",
        description=f"a {word} grey pattern, brightest at the {edge}.",
        questions=(
            Question(task="gradient", text="Which edge is brightest?", answer=edge, choices=EDGES),
            Question(
                task="symmetry",
                text="Is the pattern symmetric or lopsided?",
                answer=word,
                choices=("symmetric", "lopsided"),
            ),
        ),
    )
