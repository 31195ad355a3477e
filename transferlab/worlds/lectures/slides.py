"""Slides and the pointer that moves over them, as frames of a film."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from transferlab.worlds.lectures.board import Board, Colour
from transferlab.worlds.lectures.figures import SUBJECTS

WIDTH, HEIGHT = 192, 144
"""Of a frame, in pixels."""

FINE = 2
"""Everything is drawn this much larger and then reduced, so that lines come out smooth."""

DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


@dataclass(frozen=True, kw_only=True)
class SlideStyle:
    """What the slides of one lecture have in common."""

    theme: str
    """"light" or "dark"."""
    paper: Colour
    ink: Colour
    accent: Colour
    bar: str
    """Where the title bar is: "top", "bottom" or "left"."""
    pointer: str
    """"dot" or "arrow"."""
    pointer_colour: Colour
    noise: float
    """Standard deviation of the camera's noise, in grey levels."""
    exposure: float
    """Factor on all colours."""


def draw_style(rng: np.random.Generator) -> SlideStyle:
    """Colours and layout; none of it depends on the subject."""
    dark = bool(rng.uniform() < 0.4)
    paper = rng.integers(8, 60, size=3) if dark else rng.integers(205, 256, size=3)
    ink = rng.integers(190, 256, size=3) if dark else rng.integers(0, 70, size=3)
    accent = rng.permutation([int(rng.integers(20, 80)), int(rng.integers(90, 170)), 215])
    pointers = ((235, 30, 30), (20, 190, 40), (240, 130, 0))
    return SlideStyle(
        theme="dark" if dark else "light",
        paper=_colour(paper),
        ink=_colour(ink),
        accent=_colour(accent),
        bar=("top", "bottom", "left")[rng.integers(3)],
        pointer=("dot", "arrow")[rng.integers(2)],
        pointer_colour=pointers[rng.integers(3)],
        noise=rng.uniform(1, 5),
        exposure=rng.uniform(0.8, 1.05),
    )


def draw_slide(
    style: SlideStyle, *, subject: str, figure: str, rng: np.random.Generator
) -> Image.Image:
    """One slide, FINE times larger than a frame: title bar, figure, lines of unreadable text."""
    slide = Image.new("RGB", (WIDTH * FINE, HEIGHT * FINE), style.paper)
    pen = ImageDraw.Draw(slide)
    left, top, right, bottom = _title_bar(pen, style, rng)
    half = 0.36 * (bottom - top) * rng.uniform(0.85, 1.12)
    on_the_left = bool(rng.integers(2))
    inset = half * 1.25 + rng.uniform(0, 12) * FINE
    centre_x = left + inset if on_the_left else right - inset
    board = Board(
        pen=pen,
        centre=(centre_x, (top + bottom) / 2 + rng.normal(0, 3) * FINE),
        half=half,
        turn_degrees=rng.normal(0, 6),
        line=style.ink,
        fill=style.accent,
        width=int(rng.integers(2, 4)) * FINE - 1,
    )
    span = (centre_x + 1.4 * half, right - 8) if on_the_left else (left + 8, centre_x - 1.4 * half)
    _text_lines(pen, style, rng, x=span, y=(top + 20, bottom - 20))
    SUBJECTS[subject][figure](board, rng)
    return slide


def _title_bar(
    pen: ImageDraw.ImageDraw, style: SlideStyle, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Draw the bar; returns the rest of the slide as (left, top, right, bottom)."""
    width, height = WIDTH * FINE, HEIGHT * FINE
    thick = int(rng.uniform(12, 20)) * FINE
    areas = {
        "top": ((0, 0, width, thick), (0, thick, width, height)),
        "bottom": ((0, height - thick, width, height), (0, 0, width, height - thick)),
        "left": ((0, 0, thick, height), (thick, 0, width, height)),
    }
    bar, rest = areas[style.bar]
    pen.rectangle(bar, fill=style.accent)
    if style.bar != "left":
        end = rng.uniform(0.3, 0.7) * width
        middle = (bar[1] + bar[3]) / 2
        pen.line([(16, middle), (end, middle)], fill=style.paper, width=thick // 3)
    return rest


def _text_lines(
    pen: ImageDraw.ImageDraw,
    style: SlideStyle,
    rng: np.random.Generator,
    *,
    x: tuple[float, float],
    y: tuple[float, float],
) -> None:
    """Bars where text would be: what the slide is about is in its figure only."""
    room = x[1] - x[0]
    if room < 20 * FINE:
        return
    grey = _colour(0.45 * np.array(style.ink) + 0.55 * np.array(style.paper))
    for height in np.arange(y[0], y[1], 13 * FINE):
        end = x[0] + room * rng.uniform(0.4, 1.0)
        pen.line([(x[0], float(height)), (end, float(height))], fill=grey, width=2 * FINE)


def draw_path(rng: np.random.Generator, *, direction: str, frames: int) -> np.ndarray:
    """Where the pointer is: (frames, 2) pixel positions that move steadily in ``direction``."""
    size, margin = np.array([WIDTH, HEIGHT]), 14
    along = np.array(DIRECTIONS[direction])
    travel = rng.uniform(0.5, 0.7) * float(np.abs(along) @ size)
    # The middle of the path says nothing about the direction; only the order of frames does.
    reach = np.abs(along) * travel / 2 + margin
    middle = rng.uniform(reach, size - reach)
    share = np.linspace(-0.5, 0.5, frames)[:, None]
    sway = rng.uniform(2, 7) * np.sin(np.linspace(0, rng.uniform(2, 6), frames))[:, None]
    return middle + share * travel * along + sway * along[::-1]


def film_slide(
    slide: Image.Image, path: np.ndarray, style: SlideStyle, *, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """One (HEIGHT, WIDTH, 3) uint8 frame per position in ``path``: the slide, pointer, noise."""
    for x, y in path:
        drawn = slide.copy()
        _draw_pointer(ImageDraw.Draw(drawn), style, float(x) * FINE, float(y) * FINE)
        frame = np.asarray(drawn.reduce(FINE), dtype=np.float32) * style.exposure
        noise = rng.standard_normal((HEIGHT, WIDTH, 1), dtype=np.float32) * style.noise
        yield np.clip(frame + noise, 0, 255).astype(np.uint8)


def _draw_pointer(pen: ImageDraw.ImageDraw, style: SlideStyle, x: float, y: float) -> None:
    edge = (255, 255, 255) if style.theme == "dark" else (0, 0, 0)
    if style.pointer == "dot":
        r = 7.5 * FINE
        pen.ellipse(
            [x - r, y - r, x + r, y + r], fill=style.pointer_colour, outline=edge, width=FINE
        )
        return
    arrow = [(0, 0), (0, 20), (5, 15.5), (8.5, 23), (12, 21.5), (8.5, 14), (14.5, 13.5)]
    corners = [(x + (a - 5) * FINE, y + (b - 11) * FINE) for a, b in arrow]
    pen.polygon(corners, fill=style.pointer_colour)
    pen.line([*corners, corners[0]], fill=edge, width=FINE)


def _colour(values: np.ndarray) -> Colour:
    red, green, blue = (int(value) for value in values)
    return red, green, blue
