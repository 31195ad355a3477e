"""Grey, noisy, nearly symmetric pictures: two dark fields on a bright body, with what differs.

Nothing here is anatomy; the pictures ask for what reading radiographs asks for: small differences
of brightness, extent and symmetry under noise.
"""

import math
from collections.abc import Mapping

import numpy as np
from PIL import Image

from transferlab.worlds.scenes.drawing import SIDE, finish
from transferlab.worlds.scenes.questions import YES_NO, pick
from transferlab.worlds.scenes.records import Question, Scene

SIDES = ("left", "right", "neither")
SPOTS = tuple(f"{level} {side}" for level in ("upper", "middle", "lower") for side in SIDES[:2])
WIDTHS = ("narrow", "wide")
HAZY = ("left", "right", "both", "neither")

_AXIS = np.linspace(-1, 1, SIDE, dtype=np.float32)


def _oval(
    centre: tuple[float, float], radii: tuple[float, float], *, softness: float, tilt: float = 0.0
) -> np.ndarray:
    """(112, 112) float32 in [0, 1]; coordinates run from -1 to 1, ``softness`` in radii."""
    x, y = _AXIS - np.float32(centre[0]), (_AXIS - np.float32(centre[1]))[:, None]
    across, down = x + np.float32(tilt) * y, y - np.float32(tilt) * x
    distance = np.sqrt((across / np.float32(radii[0])) ** 2 + (down / np.float32(radii[1])) ** 2)
    return np.clip((1 - distance) / np.float32(softness) + np.float32(0.5), 0, 1)


def _fields(
    rng: np.random.Generator, *, brighter: str, filled: str
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """How much darker each point is, and the two fields' extents by side."""
    spread, reach = rng.uniform(0.36, 0.44), rng.uniform(0.52, 0.66)
    height, tilt = rng.uniform(-0.1, 0.05), rng.uniform(0.0, 0.15)
    darkness = np.zeros((SIDE, SIDE), dtype=np.float32)
    extents = {}
    for side, sign in (("left", -1), ("right", 1)):
        width = rng.uniform(0.24, 0.3)
        extent = _oval((sign * spread, height), (width, reach), softness=0.25, tilt=-sign * tilt)
        if filled == side:
            level = height + reach * rng.uniform(0.15, 0.45)
            slope = _AXIS[:, None] - np.float32(level) + 0.3 * sign * (_AXIS - sign * spread) * -1
            extent = extent * np.clip(0.5 - slope / 0.06, 0, 1)
        extents[side] = extent
        darkness += extent * np.float32(rng.uniform(0.35, 0.5) if brighter == side else 0.9)
    return darkness, extents


def _spot(rng: np.random.Generator, where: str) -> np.ndarray:
    level, side = where.split()
    y = {"upper": -0.4, "middle": -0.05, "lower": 0.27}[level] + rng.uniform(-0.06, 0.06)
    x = (-1 if side == "left" else 1) * rng.uniform(0.34, 0.48)
    radius = rng.uniform(0.08, 0.15)
    return _oval((x, y), (radius, radius * rng.uniform(0.8, 1.25)), softness=0.5)


def _stripes(rng: np.random.Generator) -> np.ndarray:
    """Bright arcs, bent downwards away from the middle."""
    bend, period = rng.uniform(0.3, 0.6), rng.uniform(0.17, 0.24)
    wave = np.sin((_AXIS[:, None] - bend * np.abs(_AXIS)) * np.float32(2 * np.pi / period))
    return np.clip(wave - 0.3, 0, 1).astype(np.float32)


def _haze(extent: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(112, 112) float32: soft clouds within ``extent``, which hardly change its mean."""
    clouds = np.zeros((SIDE, SIDE), dtype=np.float32)
    for cells in (5, 9, 16):
        coarse = Image.fromarray(rng.random((cells, cells), dtype=np.float32))
        clouds += np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    uneven = clouds - (clouds * extent).sum() / extent.sum()
    return (uneven * np.float32(rng.uniform(0.25, 0.4)) + np.float32(0.05)) * extent


def _taken(level: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture as if taken from elsewhere: moved, turned by up to 7 degrees, nearer or farther.

    Nothing is mirrored, so that sides stay what they are.
    """
    turn, nearer = math.radians(rng.uniform(-7, 7)), rng.uniform(0.75, 1.15)
    across, down = nearer * math.cos(turn), nearer * math.sin(turn)
    shift = rng.uniform(-6, 6, size=2)
    middle = (SIDE - 1) / 2
    corner = (
        middle - across * middle + down * middle + shift[0],
        middle - down * middle - across * middle + shift[1],
    )
    moved = Image.fromarray(level).transform(
        (SIDE, SIDE),
        Image.Transform.AFFINE,
        (across, -down, corner[0], down, across, corner[1]),
        Image.Resampling.BILINEAR,
        fillcolor=float(rng.uniform(0, 0.3)),
    )
    return np.asarray(moved)


def grey(rng: np.random.Generator) -> Scene:
    """A grey picture whose differences are described and asked for."""
    brighter = pick(rng, SIDES)
    filled = pick(rng, SIDES)
    spot = pick(rng, SPOTS) if rng.integers(2) else ""
    wide = pick(rng, WIDTHS)
    striped = bool(rng.integers(2))
    hazy = pick(rng, HAZY)

    darkness, extents = _fields(rng, brighter=brighter, filled=filled)
    body = _oval((rng.uniform(-0.05, 0.05), 0.1), (0.9, 1.15), softness=0.15)
    heart = (rng.uniform(0.30, 0.38), 0.3) if wide == "wide" else (rng.uniform(0.13, 0.19), 0.28)
    centre = _oval((rng.uniform(0.0, 0.12), 0.2), heart, softness=0.3)
    picture = body * 0.75 - 0.55 * darkness * (1 - centre)
    if hazy != "neither":
        for side in SIDES[:2] if hazy == "both" else (hazy,):
            picture = picture + _haze(extents[side] * (1 - centre), rng)
    if spot:
        picture = picture + _spot(rng, spot) * rng.uniform(0.25, 0.45)
    if striped:
        inside = np.clip(extents["left"] + extents["right"], 0, 1)
        picture = picture + _stripes(rng) * inside * rng.uniform(0.12, 0.22)
    picture = _taken(np.clip(picture, 0, 1) ** np.float32(rng.uniform(0.7, 1.5)), rng)
    noise = rng.standard_normal((SIDE, SIDE), dtype=np.float32) * np.float32(rng.uniform(0, 0.07))
    level = (picture + noise) * rng.uniform(200, 300) + rng.uniform(0, 40)
    facts = {
        "side": brighter,
        "base": filled,
        "width": wide,
        "spot": YES_NO[not spot],
        "stripes": YES_NO[not striped],
        "haze": hazy,
        **({"spot_place": spot} if spot else {}),
    }
    return Scene(
        kind="grey",
        images=(finish(np.repeat(level[:, :, None], 3, axis=2)),),
        asks=("Describe the grey picture.", "What does the grey picture show?"),
        description=_describe(facts),
        questions=_questions(facts),
    )


def _describe(facts: Mapping[str, str]) -> str:
    side, base, haze = facts["side"], facts["base"], facts["haze"]
    parts = [
        f"the centre is {facts['width']}",
        "both fields are equally dark" if side == "neither" else f"the {side} field is brighter",
        "no base is filled" if base == "neither" else f"the {base} base is filled",
        f"a bright spot in the {facts['spot_place']} field"
        if facts["spot"] == "yes"
        else "no bright spot",
        "stripes" if facts["stripes"] == "yes" else "no stripes",
        {"both": "both fields are hazy", "neither": "no haze"}.get(
            haze, f"the {haze} field is hazy"
        ),
    ]
    return "; ".join(parts) + "."


_TEMPLATES = {
    "side": ("Which field is brighter?", "Is one field brighter than the other, and which?", SIDES),
    "base": ("Which base is filled?", "Where is a base filled?", SIDES),
    "width": ("Is the centre narrow or wide?", "How wide is the centre?", WIDTHS),
    "spot": ("Is there a bright spot?", "Do you see a bright spot?", YES_NO),
    "stripes": ("Are there stripes?", "Does the picture show stripes?", YES_NO),
    "haze": (
        "Which field is hazy, left, right, both or neither?",
        "Where is there haze?",
        HAZY,
    ),
    "spot_place": (
        "Where is the bright spot?",
        "In which field does the bright spot lie?",
        SPOTS,
    ),
}
"""By task: the question in two wordings, and its choices."""


def _questions(facts: Mapping[str, str]) -> tuple[Question, ...]:
    return tuple(
        Question(task=task, text=text, answer=facts[task], choices=choices, others=(other,))
        for task, (text, other, choices) in _TEMPLATES.items()
        if task in facts
    )
