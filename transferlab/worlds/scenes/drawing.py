"""Drawing with numpy and PIL: backgrounds, textured shapes, characters. All sizes in pixels."""

import math
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 112
"""Height and width of every picture."""

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 180, 70),
    "blue": (50, 90, 230),
    "yellow": (235, 215, 50),
    "purple": (150, 60, 190),
    "orange": (245, 140, 30),
    "white": (245, 245, 245),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
TEXTURES = ("plain", "striped", "dotted")


def background(rng: np.random.Generator) -> np.ndarray:
    """(112, 112, 3) float32: an even, slightly tinted grey with a little noise."""
    level = rng.uniform(5, 95)
    tint = rng.uniform(-12, 12, size=3)
    grain = rng.standard_normal((SIDE, SIDE, 1), dtype=np.float32) * np.float32(rng.uniform(0, 8))
    return (level + tint).astype(np.float32) + grain


def finish(canvas: np.ndarray) -> np.ndarray:
    """(112, 112, 3) uint8, clipped."""
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _corners(shape: str, radius: float, turn: float) -> list[tuple[float, float]]:
    """Corner offsets from the centre; ``turn`` in radians."""
    if shape == "square":
        ring = [(math.pi / 4 + k * math.pi / 2, radius * 1.1) for k in range(4)]
    elif shape == "triangle":
        ring = [(-math.pi / 2 + k * 2 * math.pi / 3, radius * 1.15) for k in range(3)]
    else:
        star = [(k * math.pi / 5, radius * (1.15 if k % 2 == 0 else 0.5)) for k in range(10)]
        ring = [(-math.pi / 2 + angle, reach) for angle, reach in star]
    return [(reach * math.cos(a + turn), reach * math.sin(a + turn)) for a, reach in ring]


def _mask(shape: str, radius: int, turn: float) -> np.ndarray:
    """(n, n) float32 in [0, 1], n = 2 * ceil(1.2 * radius) + 1."""
    half = math.ceil(1.2 * radius)
    image = Image.new("L", (2 * half + 1, 2 * half + 1))
    pen = ImageDraw.Draw(image)
    box = (half - radius, half - radius, half + radius, half + radius)
    if shape == "circle":
        pen.ellipse(box, fill=255)
    elif shape == "ring":
        pen.ellipse(box, outline=255, width=max(3, radius // 3))
    elif shape == "cross":
        arm = max(2, radius // 3)
        pen.rectangle((half - radius, half - arm, half + radius, half + arm), fill=255)
        pen.rectangle((half - arm, half - radius, half + arm, half + radius), fill=255)
    else:
        pen.polygon([(half + x, half + y) for x, y in _corners(shape, radius, turn)], fill=255)
    return np.asarray(image, dtype=np.float32) / 255


def _shade(texture: str, side: int, rng: np.random.Generator) -> np.ndarray:
    """(side, side) float32: what the colour is multiplied with."""
    rows, columns = np.mgrid[:side, :side]
    if texture == "striped":
        dark = (rows + columns * int(rng.integers(0, 2))) % 8 < 4
    elif texture == "dotted":
        dark = (rows % 7 < 3) & (columns % 7 < 3)
    else:
        return np.ones((side, side), dtype=np.float32)
    return np.where(dark, np.float32(0.45), np.float32(1.0))


def paint(
    canvas: np.ndarray,
    *,
    shape: str,
    colour: str,
    texture: str,
    centre: tuple[int, int],
    radius: int,
    rng: np.random.Generator,
) -> None:
    """Draw one shape into ``canvas`` (112, 112, 3) float32; ``centre`` is (x, y). Edges are cut."""
    turn = rng.uniform(-0.25, 0.25)
    mask = _mask(shape, radius, turn)
    side = mask.shape[0]
    shade = rng.uniform(0.85, 1.1) * _shade(texture, side, rng)
    colour_field = shade[:, :, None] * np.asarray(COLOURS[colour], dtype=np.float32)
    left, top = centre[0] - side // 2, centre[1] - side // 2
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(SIDE, left + side), min(SIDE, top + side)
    if x1 <= x0 or y1 <= y0:
        return
    part = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    cover = mask[part][:, :, None]
    window = canvas[y0:y1, x0:x1]
    window += cover * (colour_field[part] - window)


@cache
def _font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=height)


def write_text(
    canvas: np.ndarray, text: str, *, centre: tuple[int, int], height: int, ink: np.ndarray
) -> None:
    """Draw characters around ``centre`` (x, y); ``ink`` is (3,) in 0..255."""
    image = Image.new("L", (SIDE, SIDE))
    pen = ImageDraw.Draw(image)
    pen.text(centre, text, fill=255, font=_font(height), anchor="mm", stroke_width=1)
    cover = np.asarray(image, dtype=np.float32)[:, :, None] / 255
    canvas += cover * (ink.astype(np.float32) - canvas)
