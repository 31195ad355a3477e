"""The board that a slide's figure is drawn on: unit coordinates, two inks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Board:
    """Where a figure is drawn: it fits in -1..1 both ways around (0, 0), with y downwards."""

    pen: ImageDraw.ImageDraw
    centre: Point
    """Pixels."""
    half: float
    """Half the figure's size, in pixels."""
    turn_degrees: float
    line: Colour
    fill: Colour
    width: int
    """Of lines, in pixels."""

    def place(self, points: Sequence[Point]) -> list[Point]:
        """Unit coordinates to pixels."""
        turn = np.deg2rad(self.turn_degrees)
        cos, sin = float(np.cos(turn)) * self.half, float(np.sin(turn)) * self.half
        x0, y0 = self.centre
        return [(x0 + cos * x - sin * y, y0 + sin * x + cos * y) for x, y in points]

    def stroke(self, points: Sequence[Point]) -> None:
        """An open line through ``points``."""
        self.pen.line(self.place(points), fill=self.line, width=self.width, joint="curve")

    def shape(self, points: Sequence[Point], *, filled: bool = True) -> None:
        """A closed outline."""
        corners = self.place(points)
        if filled:
            self.pen.polygon(corners, fill=self.fill)
        self.pen.line([*corners, corners[0]], fill=self.line, width=self.width, joint="curve")

    def disc(self, at: Point, radius: float, *, filled: bool = True) -> None:
        """A circle."""
        ((x, y),) = self.place([at])
        r = radius * self.half
        self.pen.ellipse(
            [x - r, y - r, x + r, y + r],
            fill=self.fill if filled else None,
            outline=self.line,
            width=self.width,
        )

    def dot(self, at: Point, radius: float) -> None:
        """A spot in the colour of lines."""
        ((x, y),) = self.place([at])
        r = radius * self.half
        self.pen.ellipse([x - r, y - r, x + r, y + r], fill=self.line)


def arc(radius: Point, *, start: float = 0, end: float = 360, steps: int = 40) -> list[Point]:
    """Points on an ellipse of half axes ``radius`` around the middle; angles in degrees."""
    angles = np.deg2rad(np.linspace(start, end, steps))
    return [(radius[0] * float(np.cos(a)), radius[1] * float(np.sin(a))) for a in angles]
