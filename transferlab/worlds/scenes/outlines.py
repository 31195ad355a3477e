"""Line drawings of a paired, nearly symmetric body, with what differs between its two sides.

Nothing here is anatomy. As the grey pictures ask for brightness, these ask for shape: an outline's
notch, a side that is smaller, a middle line that bends.
"""

import numpy as np
from PIL import Image, ImageDraw

from transferlab.worlds.scenes.drawing import SIDE, finish
from transferlab.worlds.scenes.questions import pick
from transferlab.worlds.scenes.records import Question, Scene

SIDES = ("left", "right", "neither")
BENDS = ("left", "right", "straight")
POINTS = 60


def outline(rng: np.random.Generator) -> Scene:
    """Two lobes left and right of a middle line."""
    notched, smaller, bend = pick(rng, SIDES), pick(rng, SIDES), pick(rng, BENDS)
    level = float(rng.uniform(10, 60))
    page = Image.new("L", (SIDE, SIDE), int(level))
    pen = ImageDraw.Draw(page)
    ink = int(rng.uniform(150, 250))
    width, height = rng.uniform(17, 20), rng.uniform(34, 42)
    for side, sign in (("left", -1), ("right", 1)):
        scale = 0.68 if smaller == side else 1.0
        lobe = _lobe(rng, width * scale, height * scale, notched=notched == side, sign=sign)
        centre = np.asarray((SIDE / 2 + sign * 27, SIDE / 2 + rng.uniform(-2, 2)))
        points = [(float(x), float(y)) for x, y in lobe + centre]
        if rng.integers(2):
            pen.polygon(points, fill=int(level + 0.45 * (ink - level)))
        pen.line([*points, points[0]], fill=ink, width=2)
    down = np.linspace(-1, 1, 20)
    reach = {"left": -9, "right": 9, "straight": 0}[bend]
    middle = SIDE / 2 + reach * (1 - down**2)
    course = np.stack([middle, SIDE / 2 + 46 * down], axis=1)
    pen.line([(float(x), float(y)) for x, y in course], fill=ink, width=3)
    noise = rng.standard_normal((SIDE, SIDE), dtype=np.float32) * np.float32(rng.uniform(0, 12))
    picture = np.asarray(page, dtype=np.float32) + noise
    return Scene(
        kind="outline",
        images=(finish(np.repeat(picture[:, :, None], 3, axis=2)),),
        asks=("Describe the outline.", "What does the drawing show?"),
        description=_describe(notched, smaller, bend),
        questions=_questions(notched, smaller, bend),
    )


def _lobe(
    rng: np.random.Generator, width: float, height: float, *, notched: bool, sign: int
) -> np.ndarray:
    """(60, 2) float64: a closed curve about (0, 0); a notch is cut into its outer side."""
    angle = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    reach = 1 + 0.05 * np.sin(3 * angle + rng.uniform(0, 6))
    if notched:
        outer = 0.0 if sign > 0 else np.pi
        bearing = outer + rng.uniform(-0.5, 0.5)
        away = np.abs((angle - bearing + np.pi) % (2 * np.pi) - np.pi)
        reach = reach - 0.6 * np.exp(-((away / 0.28) ** 2))
    return np.stack([width * reach * np.cos(angle), height * reach * np.sin(angle)], axis=1)


def _describe(notched: str, smaller: str, bend: str) -> str:
    parts = [
        "no lobe has a notch" if notched == "neither" else f"the {notched} lobe has a notch",
        "both lobes are of a size" if smaller == "neither" else f"the {smaller} lobe is smaller",
        "the middle line is straight"
        if bend == "straight"
        else f"the middle line bends to the {bend}",
    ]
    return "; ".join(parts) + "."


def _questions(notched: str, smaller: str, bend: str) -> tuple[Question, ...]:
    return (
        Question(
            task="notch",
            text="Which lobe has a notch?",
            answer=notched,
            choices=SIDES,
            others=("Where is the notch?",),
        ),
        Question(
            task="smaller",
            text="Which lobe is smaller?",
            answer=smaller,
            choices=SIDES,
            others=("Is one lobe smaller than the other, and which?",),
        ),
        Question(
            task="bend",
            text="Where does the middle line bend to?",
            answer=bend,
            choices=BENDS,
            others=("Which way does the middle line bend?",),
        ),
    )
