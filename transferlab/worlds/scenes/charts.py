"""Simple charts and diagrams: bars, lines, and boxes joined by an arrow."""

import numpy as np
from PIL import Image, ImageDraw

from transferlab.worlds.scenes.drawing import COLOURS, SIDE, background, finish
from transferlab.worlds.scenes.questions import NUMBERS, YES_NO, pick
from transferlab.worlds.scenes.records import Question, Scene

TRENDS = ("rises", "falls", "peaks", "dips")
"""What a line does from left to right; the last two turn in the middle."""
LEFT, BASE = 14, SIDE - 12
"""Where the axes stand, in pixels."""


def chart(rng: np.random.Generator) -> Scene:
    """Bars or a line, over two axes."""
    return (_bars, _line)[int(rng.integers(2))](rng)


def _paper(rng: np.random.Generator) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    page = Image.fromarray(finish(background(rng)))
    return page, ImageDraw.Draw(page)


def _axes(pen: ImageDraw.ImageDraw) -> None:
    ink = (200, 200, 200)
    pen.line((LEFT, 8, LEFT, BASE), fill=ink, width=2)
    pen.line((LEFT, BASE, SIDE - 6, BASE), fill=ink, width=2)


def _bars(rng: np.random.Generator) -> Scene:
    count = int(rng.integers(2, 5))
    colours = [str(one) for one in rng.permutation(list(COLOURS))[:count]]
    # Steps of at least a tenth of the height, so that no two bars look the same.
    heights = 18 + 9 * rng.permutation(8)[:count] + rng.integers(0, 3)
    page, pen = _paper(rng)
    _axes(pen)
    room = (SIDE - 8 - LEFT) // count
    for index, (colour, height) in enumerate(zip(colours, heights, strict=True)):
        x = LEFT + 4 + room * index
        pen.rectangle((x, BASE - int(height), x + room - 6, BASE - 2), fill=COLOURS[colour])
    order = [colours[int(one)] for one in np.argsort(heights)]
    one, other = (int(at) for at in rng.permutation(count)[:2])
    return Scene(
        kind="chart",
        images=(np.asarray(page),),
        asks=("Describe the chart.", "What does the chart show?"),
        description=f"a chart with bars of {', '.join(order)}, from the shortest to the tallest.",
        questions=(
            _extreme("tallest", order[-1]),
            _extreme("shortest", order[0]),
            Question(
                task="bars",
                text="How many bars are there?",
                answer=NUMBERS[count - 1],
                choices=NUMBERS[1:],
                others=("Count the bars of the chart.",),
            ),
            Question(
                task="taller",
                text=f"Is the {colours[one]} bar taller than the {colours[other]} bar?",
                answer="yes" if heights[one] > heights[other] else "no",
                choices=YES_NO,
                others=(f"Does the {colours[one]} bar reach above the {colours[other]} bar?",),
            ),
        ),
    )


def _extreme(which: str, colour: str) -> Question:
    return Question(
        task=which,
        text=f"Which bar is the {which}?",
        answer=colour,
        choices=tuple(COLOURS),
        others=(f"What is the colour of the {which} bar?",),
    )


def _line(rng: np.random.Generator) -> Scene:
    trend = pick(rng, TRENDS)
    colour = pick(rng, tuple(COLOURS))
    at = np.linspace(0, 1, 8)
    shape = {"rises": at, "falls": 1 - at, "peaks": 1 - abs(2 * at - 1), "dips": abs(2 * at - 1)}
    wobble = rng.uniform(-0.06, 0.06, size=at.size)
    low, span = rng.uniform(0.05, 0.25), rng.uniform(0.5, 0.7)
    values = np.clip(low + span * shape[trend] + wobble, 0.02, 0.98)
    x = LEFT + 4 + at * (SIDE - 14 - LEFT)
    y = BASE - 4 - values * (BASE - 14)
    page, pen = _paper(rng)
    _axes(pen)
    points = [(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    pen.line(points, fill=COLOURS[colour], width=int(rng.integers(2, 5)), joint="curve")
    return Scene(
        kind="chart",
        images=(np.asarray(page),),
        asks=("Describe the chart.", "What does the chart show?"),
        description=f"a chart with a {colour} line that {trend}.",
        questions=(
            Question(
                task="trend",
                text="What does the line do from left to right?",
                answer=trend,
                choices=TRENDS,
                others=("Which course does the line take?",),
            ),
        ),
    )


def diagram(rng: np.random.Generator) -> Scene:
    """Three coloured boxes in a triangle; an arrow leads from one to another."""
    colours = [str(one) for one in rng.permutation(list(COLOURS))[:3]]
    centres = [(22, 24), (90, 24), (56, 90)]
    centres = [(x + int(rng.integers(-5, 6)), y + int(rng.integers(-5, 6))) for x, y in centres]
    page, pen = _paper(rng)
    for colour, (x, y) in zip(colours, centres, strict=True):
        pen.rectangle((x - 14, y - 11, x + 14, y + 11), fill=COLOURS[colour], outline=(20, 20, 20))
    start, end = (int(one) for one in rng.permutation(3)[:2])
    _arrow(pen, np.asarray(centres[start], float), np.asarray(centres[end], float))
    return Scene(
        kind="diagram",
        images=(np.asarray(page),),
        asks=("Describe the diagram.", "What does the diagram show?"),
        description=f"an arrow leads from the {colours[start]} box to the {colours[end]} box.",
        questions=(
            Question(
                task="arrow_end",
                text="Which box does the arrow point to?",
                answer=colours[end],
                choices=tuple(COLOURS),
                others=("Where does the arrow end?",),
            ),
            Question(
                task="arrow_start",
                text="From which box does the arrow come?",
                answer=colours[start],
                choices=tuple(COLOURS),
                others=("Where does the arrow begin?",),
            ),
        ),
    )


def _arrow(pen: ImageDraw.ImageDraw, start: np.ndarray, end: np.ndarray) -> None:
    """From 20 pixels beside one centre to 20 beside the other."""
    along = (end - start) / np.linalg.norm(end - start)
    across = np.asarray((-along[1], along[0]))
    first, tip = start + 20 * along, end - 20 * along
    back = tip - 10 * along
    ink = (240, 240, 240)
    pen.line((*first.tolist(), *back.tolist()), fill=ink, width=3)
    corners = (tip, back + 6 * across, back - 6 * across)
    pen.polygon([(float(x), float(y)) for x, y in corners], fill=ink)
