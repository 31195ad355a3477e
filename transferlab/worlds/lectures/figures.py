"""What the slides show: two or three figures for each subject."""

from collections.abc import Callable

import numpy as np

from transferlab.worlds.lectures.board import Board, Point, arc

Figure = Callable[[Board, np.random.Generator], None]


def triangle(board: Board, rng: np.random.Generator) -> None:
    top = rng.uniform(-0.7, 0.7)
    corners = [(-0.95, 0.75), (0.95, 0.75), (top, -0.85)]
    board.shape(corners, filled=bool(rng.integers(2)))
    for corner in corners:
        board.dot(corner, 0.07)


def circle(board: Board, rng: np.random.Generator) -> None:
    board.disc((0, 0), 0.92, filled=bool(rng.integers(2)))
    angle = rng.uniform(0, 2 * np.pi)
    board.stroke([(0, 0), (0.92 * float(np.cos(angle)), 0.92 * float(np.sin(angle)))])
    board.dot((0, 0), 0.07)


def angle(board: Board, rng: np.random.Generator) -> None:
    opening = rng.uniform(30, 75)
    tip = arc((1.8, 1.8), start=-opening, end=-opening, steps=1)[0]
    board.stroke([(0.9, 0.75), (-0.9, 0.75), (-0.9 + tip[0], 0.75 + tip[1])])
    for radius in (0.55, 0.65):
        bow = arc((radius, radius), start=-opening, end=0, steps=12)
        board.stroke([(x - 0.9, y + 0.75) for x, y in bow])


def pendulum(board: Board, rng: np.random.Generator) -> None:
    swing = np.deg2rad(rng.uniform(15, 40)) * rng.choice([-1, 1])
    board.stroke([(-0.8, -0.9), (0.8, -0.9)])
    for x in np.linspace(-0.8, 0.6, 6):
        board.stroke([(float(x), -0.9), (float(x) + 0.15, -1.05)])
    bob = (1.5 * float(np.sin(swing)), -0.9 + 1.5 * float(np.cos(swing)))
    board.stroke([(0, -0.9), bob])
    board.disc(bob, 0.24)


def inclined_plane(board: Board, rng: np.random.Generator) -> None:
    height = rng.uniform(0.7, 1.2)
    board.shape([(-0.95, 0.75), (0.95, 0.75), (0.95, 0.75 - height)], filled=False)
    slope = height / 1.9
    x = rng.uniform(-0.2, 0.4)
    along, up = np.array([1, -slope]) / np.hypot(1, slope), np.array([-slope, -1])
    foot = np.array([x, 0.75 - slope * (x + 0.95)])
    up = up / np.hypot(1, slope)
    corners = [foot, foot + 0.45 * along, foot + 0.45 * along + 0.35 * up, foot + 0.35 * up]
    board.shape([(float(a), float(b)) for a, b in corners])


def spring(board: Board, rng: np.random.Generator) -> None:
    turns, length = int(rng.integers(5, 9)), rng.uniform(1.0, 1.4)
    board.stroke([(-0.7, -0.95), (0.7, -0.95)])
    points: list[Point] = [(0, -0.95)]
    for i in range(2 * turns):
        points.append((0.3 if i % 2 else -0.3, -0.95 + length * (i + 0.5) / (2 * turns)))
    board.stroke([*points, (0, -0.95 + length)])
    low = -0.95 + length
    board.shape([(-0.35, low), (0.35, low), (0.35, low + 0.4), (-0.35, low + 0.4)])


def molecule(board: Board, rng: np.random.Generator) -> None:
    ring = arc((0.55, 0.55), start=30, end=330, steps=6)
    board.shape(ring, filled=False)
    for i in range(0, 6, 2):
        (x1, y1), (x2, y2) = ring[i], ring[(i + 1) % 6]
        board.stroke([(0.78 * x1, 0.78 * y1), (0.78 * x2, 0.78 * y2)])
    for i in rng.permutation(6)[: int(rng.integers(2, 5))]:
        x, y = ring[int(i)]
        board.stroke([(x, y), (1.65 * x, 1.65 * y)])
        board.disc((1.65 * x, 1.65 * y), 0.15)


def flask(board: Board, rng: np.random.Generator) -> None:
    level = rng.uniform(0.1, 0.5)
    wide = 0.2 + 0.65 * (level + 0.25) / 1.15
    board.shape([(-wide, level), (wide, level), (0.85, 0.9), (-0.85, 0.9)])
    outline = [(-0.2, -0.9), (-0.2, -0.25), (-0.85, 0.9), (0.85, 0.9), (0.2, -0.25), (0.2, -0.9)]
    board.stroke(outline)
    board.stroke([(-0.32, -0.9), (0.32, -0.9)])
    for _ in range(3):
        board.disc((rng.uniform(-0.3, 0.3), rng.uniform(level + 0.1, 0.8)), 0.07, filled=False)


def cell(board: Board, rng: np.random.Generator) -> None:
    waves, phase = rng.uniform(0.03, 0.09), rng.uniform(0, 6)
    wall = []
    for x, y in arc((0.95, 0.75)):
        bulge = 1 + waves * float(np.sin(5 * np.arctan2(y, x) + phase))
        wall.append((x * bulge, y * bulge))
    board.shape(wall)
    at = (rng.uniform(-0.3, 0.3), rng.uniform(-0.2, 0.2))
    board.disc(at, 0.27, filled=False)
    board.dot(at, 0.14)
    for _ in range(6):
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.45, 0.6)
        board.dot((1.1 * far * float(np.cos(turn)), far * float(np.sin(turn))), 0.05)


def leaf(board: Board, rng: np.random.Generator) -> None:
    plump = rng.uniform(0.35, 0.6)
    x = np.linspace(-0.95, 0.7, 24)
    rise = plump * np.sin(np.pi * (x + 0.95) / 1.65) ** 0.8
    upper = [(float(a), -float(b)) for a, b in zip(x, rise, strict=True)]
    lower = [(float(a), float(b)) for a, b in zip(x[::-1], rise[::-1], strict=True)]
    board.shape(upper + lower)
    board.stroke([(-0.95, 0), (1.0, 0)])
    for i in range(4, 22, 4):
        reach = 0.7 * float(rise[i])
        for side in (-1, 1):
            board.stroke([(float(x[i]), 0), (float(x[i]) - 0.25, side * reach)])


def bar_chart(board: Board, rng: np.random.Generator) -> None:
    bars = int(rng.integers(4, 6))
    step = 1.7 / bars
    for i, height in enumerate(rng.uniform(0.35, 1.6, size=bars)):
        left = -0.8 + i * step
        top, right = 0.85 - float(height), left + 0.65 * step
        board.shape([(left, 0.85), (left, top), (right, top), (right, 0.85)])
    board.stroke([(-0.95, -0.9), (-0.95, 0.85), (0.95, 0.85)])


def supply_and_demand(board: Board, rng: np.random.Generator) -> None:
    board.stroke([(-0.95, -0.9), (-0.95, 0.9), (0.95, 0.9)])
    bend = rng.uniform(0.15, 0.4)
    x = np.linspace(-0.75, 0.8, 14)
    bow = bend * (1 - (x / 0.8) ** 2)
    board.stroke([(float(a), float(0.75 * a + b)) for a, b in zip(x, bow, strict=True)])
    board.stroke([(float(a), float(-0.75 * a + b)) for a, b in zip(x, bow, strict=True)])
    board.dot((0, bend), 0.09)


def orbits(board: Board, rng: np.random.Generator) -> None:
    board.dot((0, 0), 0.17)
    flat = rng.uniform(0.5, 0.8)
    for radius in (0.4, 0.68, 0.95):
        path = arc((radius, radius * flat))
        board.shape(path, filled=False)
        board.disc(path[int(rng.integers(40))], 0.09)


def planet(board: Board, rng: np.random.Generator) -> None:
    board.disc((0, 0), 0.6)
    ring = arc((1.05, rng.uniform(0.2, 0.35)), start=-30, end=210)
    board.stroke(ring)
    board.stroke([(1.12 * x, 1.12 * y) for x, y in ring])
    for y in (-0.3, -0.1):
        half = float(np.sqrt(0.36 - y * y))
        board.stroke([(-half, y), (half, y)])


SUBJECTS: dict[str, dict[str, Figure]] = {
    "geometry": {"triangle": triangle, "circle": circle, "angle": angle},
    "physics": {"pendulum": pendulum, "inclined plane": inclined_plane, "spring": spring},
    "chemistry": {"molecule": molecule, "flask": flask},
    "biology": {"cell": cell, "leaf": leaf},
    "economics": {"bar chart": bar_chart, "supply and demand": supply_and_demand},
    "astronomy": {"orbits": orbits, "planet": planet},
}
"""Figures by name, by subject."""
