"""Taking the picture: pose of the patient, exposure, scatter, noise, marker, collimation."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from transferlab.worlds.radiographs.anatomy import (
    Build,
    Map,
    body,
    bones,
    heart_and_vessels,
    lung,
)
from transferlab.worlds.radiographs.findings import (
    Finding,
    heart_ratio,
    lung_attenuation,
)

IMAGE_PIXELS = 256


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How one image was taken; none of it depends on the finding."""

    view: str
    """"PA" (standing, from behind) or "AP" (in bed, from the front: the heart is larger)."""
    rotation_degrees: float
    scale: float
    shift: tuple[float, float]
    """Of the patient on the detector, in half image widths (right, down)."""
    gamma: float
    blur_pixels: float
    noise: float
    collimation: tuple[float, float]
    """Unexposed margin left-right and top-bottom, as a share of the image."""
    electrodes: bool
    """Whether monitoring wires lie over the chest."""


def draw_exposure(rng: np.random.Generator) -> Exposure:
    """An exposure with the spread of everyday practice."""
    view = "PA" if rng.uniform() < 0.6 else "AP"
    in_bed = view == "AP"
    return Exposure(
        view=view,
        rotation_degrees=rng.normal(0, 4.5 if in_bed else 2.5),
        scale=rng.uniform(0.88, 1.2),
        shift=(rng.normal(0, 0.06), rng.normal(0.02, 0.06)),
        gamma=rng.uniform(0.75, 1.35),
        blur_pixels=rng.uniform(0.5, 1.1),
        noise=rng.uniform(0.012, 0.03),
        collimation=(rng.uniform(-0.05, 0.05), rng.uniform(-0.05, 0.05)),
        electrodes=bool(in_bed and rng.uniform() < 0.4),
    )


def take_picture(
    build: Build, finding: Finding, exposure: Exposure, *, rng: np.random.Generator
) -> Map:
    """The exposed film: (256, 256) float32 in [0, 1], brighter where more was absorbed."""
    u, v = _patient_grid(exposure)
    tissue = body(u, v, build)
    total = tissue.copy()
    grain = _smooth_noise(rng, sigma_pixels=9)
    vessels = _vessels(build, exposure, rng)
    for side in ("left", "right"):
        shown = finding if finding.side in ("", side) else Finding(kind="none")
        total += lung_attenuation(
            v, lung(u, v, build, side=side), shown, texture=vessels, grain=grain
        )
    larger = 0.03 if exposure.view == "AP" else 0.0  # the heart lies farther from the detector
    ratio = heart_ratio(build, finding) + larger
    displaced, middle = heart_and_vessels(u, v, build, heart_ratio=ratio)
    # Heart and fluid are equally dense: where they touch, the border between them is lost.
    total += displaced * (0.06 + 0.85 * np.clip(tissue - total, 0, None)) + middle
    total = np.maximum(total, 0)
    total += bones(u, v, build) * np.clip(tissue * 4, 0, 1)
    total += 0.02 * _smooth_noise(rng, sigma_pixels=3) * (total > 0.05)
    if exposure.electrodes:
        total += 0.3 * _wires(rng)
    return _develop(total, exposure, rng)


def _patient_grid(exposure: Exposure) -> tuple[Map, Map]:
    """Patient coordinates (u, v) of every pixel."""
    axis = (np.arange(IMAGE_PIXELS, dtype=np.float32) + 0.5) / IMAGE_PIXELS * 2 - 1
    x = (axis[None, :] - exposure.shift[0]) / exposure.scale
    y = (axis[:, None] - exposure.shift[1]) / exposure.scale
    turn = np.float32(np.deg2rad(exposure.rotation_degrees))
    return np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x


def _to_pixels(points: np.ndarray, exposure: Exposure) -> np.ndarray:
    """(N, 2) patient coordinates to (N, 2) pixel positions: the inverse of the grid."""
    turn = np.deg2rad(exposure.rotation_degrees)
    u, v = points[:, 0], points[:, 1]
    x = (np.cos(turn) * u - np.sin(turn) * v) * exposure.scale + exposure.shift[0]
    y = (np.sin(turn) * u + np.cos(turn) * v) * exposure.scale + exposure.shift[1]
    return (np.stack([x, y], axis=1) + 1) / 2 * IMAGE_PIXELS


def _smooth_noise(rng: np.random.Generator, *, sigma_pixels: int) -> Map:
    """Noise of unit variance, smooth over ``sigma_pixels``."""
    # A coarse grid, enlarged: what a wide filter would give, at a tenth of its cost.
    coarse = rng.standard_normal((IMAGE_PIXELS // sigma_pixels + 2,) * 2, dtype=np.float32)
    return _enlarge(coarse, IMAGE_PIXELS)


def _enlarge(coarse: Map, side: int) -> Map:
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def _vessels(build: Build, exposure: Exposure, rng: np.random.Generator) -> Map:
    """Branches that leave the hila and thin out towards the wall; attenuation >= 0."""
    branches, along = 44, np.linspace(0, 1, 7)
    sign = np.where(np.arange(branches) < branches // 2, -1, 1)[:, None]
    reach = build.half_width * rng.uniform(0.35, 0.85, size=(branches, 1))
    bend = rng.uniform(-1.4, 1.3, size=(branches, 1)) + rng.normal(0, 0.25, (branches, 1)) * along
    u = sign * (0.16 + reach * along * np.cos(bend))
    v = -0.04 + 1.1 * reach * along * np.sin(bend)
    dots = _to_pixels(np.stack([u.ravel(), v.ravel()], axis=1), exposure)
    sheet = Image.new("L", (IMAGE_PIXELS, IMAGE_PIXELS))
    pen = ImageDraw.Draw(sheet)
    for branch in dots.reshape(branches, along.size * 2).tolist():
        for i, width in enumerate((3, 3, 2, 2, 1, 1)):
            pen.line(branch[2 * i : 2 * i + 4], fill=230 - 28 * i, width=width)
    return 0.2 * gaussian_filter(np.asarray(sheet, dtype=np.float32) / 255, 0.9)


def _wires(rng: np.random.Generator) -> Map:
    """Monitoring wires with their round electrodes."""
    sheet = Image.new("L", (IMAGE_PIXELS, IMAGE_PIXELS))
    pen = ImageDraw.Draw(sheet)
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0.2, 0.8, size=2) * IMAGE_PIXELS
        pen.ellipse([x - 4, y - 4, x + 4, y + 4], outline=200, width=2)
        points = [(x, y)]
        for _ in range(6):
            x, y = x + rng.normal(0, 14), y + rng.uniform(10, 34)
            points.append((x, y))
        pen.line(points, fill=170, width=1)
    return gaussian_filter(np.asarray(sheet, dtype=np.float32) / 255, 0.6)


def _develop(total: Map, exposure: Exposure, rng: np.random.Generator) -> Map:
    """Scatter, response of the film, noise, the side marker and the unexposed margin."""
    small = gaussian_filter(total[4::8, 4::8], 2)
    scattered = 0.85 * gaussian_filter(total, exposure.blur_pixels)
    scattered += 0.15 * _enlarge(small, IMAGE_PIXELS)
    film = np.clip(scattered / 1.25, 0, 1) ** exposure.gamma
    # Few photons pass where much is absorbed, so that dense parts are noisier.
    noise = rng.standard_normal(film.shape, dtype=np.float32)
    film = film + exposure.noise * (0.5 + film) * gaussian_filter(noise, 0.5) * 1.6
    film = np.maximum(film, _marker(rng))
    across, down = (int(max(share, 0) * IMAGE_PIXELS) for share in exposure.collimation)
    exposed = np.zeros_like(film)
    exposed[down : IMAGE_PIXELS - down, across : IMAGE_PIXELS - across] = 1
    return np.clip(film * exposed, 0, 1).astype(np.float32)


def _marker(rng: np.random.Generator) -> Map:
    """The lead letter that says which side is the patient's left."""
    sheet = Image.new("L", (IMAGE_PIXELS, IMAGE_PIXELS))
    letter, x = (("R", rng.integers(14, 26)), ("L", rng.integers(224, 236)))[rng.integers(2)]
    font = ImageFont.load_default(size=16)
    ImageDraw.Draw(sheet).text((int(x), int(rng.integers(14, 30))), letter, fill=240, font=font)
    return np.asarray(sheet, dtype=np.float32) / 255
