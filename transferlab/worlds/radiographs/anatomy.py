"""The healthy chest of a made-up patient, as maps of X-ray attenuation.

Every map is defined in patient coordinates, so that position, scale and rotation of the patient on
the detector are one change of grid: ``u`` runs from -1 (the patient's right, left in the picture)
to 1, ``v`` from -1 (neck) to 1 (belly).
"""

from dataclasses import dataclass

import numpy as np

Map = np.ndarray
"""(H, W) float32."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """What makes one patient's chest look different from another's; lengths in patient units."""

    half_width: float
    """From the midline to the inner chest wall."""
    apex: float
    """Height (v) of the lung tips."""
    dome: float
    """Height (v) of the right half of the diaphragm."""
    heart_ratio: float
    """Width of the heart over the inner width of the chest; above 0.5 counts as enlarged."""
    thickness: float
    """Soft tissue, 1 for a slim adult."""
    rib_spacing: float
    rib_slope: float
    breasts: float
    """0 for none."""
    stomach_air: float
    """Radius of the bubble under the left half of the diaphragm; 0 for none."""
    scapula: float
    """Where the shoulder blades' inner edges lie, as a share of ``half_width``."""


def draw_build(rng: np.random.Generator, *, female: bool) -> Build:
    """A build with the spread of an adult population."""
    return Build(
        half_width=rng.uniform(0.58, 0.72) * (0.95 if female else 1.0),
        apex=rng.uniform(-0.74, -0.62),
        dome=rng.uniform(0.22, 0.42),
        heart_ratio=rng.uniform(0.38, 0.48),
        thickness=float(np.clip(rng.normal(1.15, 0.15), 0.9, 1.6)),
        rib_spacing=rng.uniform(0.145, 0.175),
        rib_slope=rng.uniform(0.22, 0.4),
        breasts=rng.uniform(0.5, 1.0) if female else 0.0,
        stomach_air=max(0.0, rng.uniform(-0.08, 0.16)),
        scapula=rng.uniform(0.8, 1.05),
    )


def step(distance: Map, softness: float) -> Map:
    """0 where ``distance`` is below -softness, 1 above softness, smooth between."""
    # In place: this runs thirty times per image, and new arrays would double its time.
    x = distance * (0.5 / softness)
    x += 0.5
    np.clip(x, 0, 1, out=x)
    cubic = x * -2
    cubic += 3
    cubic *= x
    cubic *= x
    return cubic


@dataclass(frozen=True, kw_only=True)
class Lung:
    """One lung and the borders that findings refer to."""

    across: Map
    """Distance from the midline towards this side; negative on the other side."""
    wall: Map
    """Distance of the chest wall from the midline, by height."""
    base: Map
    """Height (v) of the diaphragm, by distance from the midline."""
    depth: Map
    """0 at the apex, 1 at the diaphragm's lowest edge."""
    mask: Map
    """1 inside the air-filled lung, 0 outside."""
    cage: Map
    """1 inside the rib cage on this side, below the diaphragm too."""
    width: float
    """The largest ``wall``."""
    apex: float
    """Height (v) of the tip."""
    dome: float
    """Height (v) of the top of this half of the diaphragm."""


def lung(u: Map, v: Map, build: Build, *, side: str) -> Lung:
    """The lung on the patient's ``side`` ("left" or "right")."""
    sign, dome = (1, build.dome + 0.06) if side == "left" else (-1, build.dome)
    across, width = sign * u, build.half_width
    depth = np.clip((v - build.apex) / (dome + 0.3 - build.apex), 0, 1)
    wall = width * _outline(depth) * (1 - 0.1 * np.clip(depth - 0.7, 0, 1))
    share = across / width
    base = (
        dome
        + 0.3 * np.clip((share - 0.35) / 0.65, 0, 1.2) ** 2
        + 0.1 * np.clip((0.35 - share) / 0.35, 0, 1) ** 2
    )
    inner = 0.09 + 0.07 * (1 - depth) ** 2
    cage = step(wall - across, 0.02) * step(across - 0.02, 0.02) * step(v - build.apex, 0.02)
    mask = cage * step(across - inner, 0.03) * step(base - v, 0.015)
    return Lung(
        across=across,
        wall=wall,
        base=base,
        depth=depth,
        mask=mask,
        cage=cage,
        width=width,
        apex=build.apex,
        dome=dome,
    )


def _outline(depth: Map) -> Map:
    """The chest wall's distance from the midline at a depth, as a share of the largest."""
    rest = 1 - depth
    return np.sqrt(1 - rest * rest * np.sqrt(rest))


def body(u: Map, v: Map, build: Build) -> Map:
    """Soft tissue of neck, shoulders and trunk; 0 in the air around."""
    shoulders = 1 / (1 + np.exp(-(v + 0.8) / 0.05))
    half = 0.24 + (build.half_width + 0.26) * shoulders
    trunk = np.sqrt(np.clip(1 - (u / half) ** 2, 0, None))
    belly = step(v - build.dome - 0.1, 0.35)
    tissue = build.thickness * (0.62 * trunk + 0.16 * belly * trunk)
    if build.breasts:
        height = (v - build.dome + 0.02) / 0.3
        spread = (np.abs(u) - 0.55 * build.half_width) / (0.48 * build.half_width)
        round_shape = np.clip(1 - height**2 - spread**2, 0, None)
        tissue = tissue + 0.13 * build.breasts * np.sqrt(round_shape)
    if build.stomach_air:
        away = np.hypot((u - 0.3) / 1.4, v - build.dome - 0.24) / build.stomach_air
        tissue = tissue - 0.22 * step(1 - away, 0.15)
    return tissue


def heart_and_vessels(u: Map, v: Map, build: Build, *, heart_ratio: float) -> tuple[Map, Map]:
    """Share of the air that heart and great vessels displace, and what windpipe and hila change."""
    width = heart_ratio * 2 * build.half_width
    half, centre = width / 2, 0.14 * width
    rise = 0.86 * half
    x, y = u - centre, v - (build.dome + 0.06 - 0.74 * rise)
    tilted_x, tilted_y = 0.9 * x + 0.43 * y, -0.43 * x + 0.9 * y
    heart = step(1 - np.hypot(tilted_x / half, tilted_y / rise), 0.06)
    # The aorta and the veins make a column that widens towards the heart.
    middle = step(0.1 + 0.1 * np.clip(v + 0.5, 0, 1) - np.abs(u - 0.02), 0.025)
    middle = middle * step(v + 0.8, 0.1)
    knob = step(1 - np.hypot((u - 0.12) / 0.085, (v + 0.3) / 0.1), 0.15)
    displaced = np.maximum(np.maximum(heart, 0.9 * middle), 0.85 * knob)
    windpipe = step(0.035 - np.abs(u + 0.01), 0.015) * step(-0.25 - v, 0.05)
    hila = np.exp(-(((np.abs(u) - 0.18) / 0.06) ** 2) - ((v + 0.04) / 0.13) ** 2)
    return displaced, 0.12 * hila - 0.13 * windpipe


def bones(u: Map, v: Map, build: Build) -> Map:
    """Ribs, collar bones, shoulder blades and spine."""
    across, width = np.abs(u), build.half_width
    share = across / width
    depth = np.clip((v - build.apex) / (build.dome + 0.36 - build.apex), 0, 1)
    below = step(v - build.dome - 0.08, 0.2)
    cage = step(width * _outline(depth) + 0.035 - across, 0.015)
    cage = cage * (1 - 0.75 * below)  # dense organs leave little contrast to the lowest ribs
    back = _bands(v - build.apex - build.rib_slope * share**2, build.rib_spacing, half=0.038)
    front_arch = build.rib_slope + 0.42 * (1 - np.clip(share, 0, 1))
    front = _bands(v - build.apex - front_arch, build.rib_spacing, half=0.046)
    ribs = cage * (back * step(across - 0.05, 0.03) + 0.6 * front * step(share - 0.38, 0.12))
    collar = -0.5 - 0.13 * share + 0.035 * np.sin(5.5 * share)
    clavicles = _tube(v - collar, 0.03) * step(across - 0.09, 0.015) * step(1.08 - share, 0.05)
    edge = across - width * build.scapula - 0.28 * (v + 0.35)
    blades = step(edge, 0.02) * step(0.26 - edge, 0.05) * step(0.3 - np.abs(v + 0.38), 0.08)
    discs = 0.75 + 0.25 * step(np.abs(((v / 0.13) % 1) - 0.5) - 0.1, 0.05)
    spine = step(0.075 - np.abs(u), 0.012) * discs
    return 0.13 * ribs + 0.17 * clavicles + 0.07 * blades + 0.09 * spine


def _tube(distance: Map, half: float) -> Map:
    """A hollow bone's shadow: denser towards its edges."""
    x = np.clip(np.abs(distance) / half, 0, 1.2)
    return step(1 - x, 0.18) * (0.62 + 0.38 * x * x)


def _bands(height: Map, spacing: float, *, half: float) -> Map:
    """Ten parallel tubes below height 0, ``spacing`` apart."""
    turn = height / spacing
    nearest = np.clip(np.round(turn), 0, 9)
    return _tube((turn - nearest) * spacing, half)
