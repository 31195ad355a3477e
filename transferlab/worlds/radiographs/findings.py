"""Findings that a radiograph may show, as changes of the attenuation of one lung."""

from dataclasses import dataclass

import numpy as np

from transferlab.worlds.radiographs.anatomy import Build, Lung, Map, step

FINDINGS = ("none", "cardiomegaly", "effusion", "consolidation", "nodule", "pneumothorax")
ONE_SIDED = ("effusion", "consolidation", "nodule", "pneumothorax")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one image shows."""

    kind: str
    """One of FINDINGS."""
    side: str = ""
    """The patient's "left" or "right" for ONE_SIDED kinds, else empty."""
    severity: float = 0.0
    """0 (small, yet visible) to 1."""
    across: float = 0.5
    """Consolidation and nodule: centre, as a share of the chest's half width."""
    depth: float = 0.5
    """Consolidation and nodule: centre, 0 at the apex, 1 at the diaphragm's lowest edge."""


def draw_finding(rng: np.random.Generator, kind: str) -> Finding:
    """A finding of that kind, of random side, size and place."""
    side = ("left", "right")[rng.integers(2)] if kind in ONE_SIDED else ""
    # The left lung's middle is behind the heart: what lies there would not be visible.
    inner = 0.62 if side == "left" else 0.5
    return Finding(
        kind=kind,
        side=side,
        severity=rng.uniform(),
        across=rng.uniform(inner, 0.74),
        depth=rng.uniform(0.28, 0.68),
    )


def heart_ratio(build: Build, finding: Finding) -> float:
    """Width of the heart over the inner width of the chest on this image."""
    if finding.kind != "cardiomegaly":
        return build.heart_ratio
    return 0.6 + 0.12 * finding.severity


def lung_attenuation(v: Map, lung: Lung, finding: Finding, *, texture: Map, grain: Map) -> Map:
    """What one lung changes of the body's attenuation: air takes away, the finding gives back.

    Args:
        v: heights, patient units.
        lung: the lung on ``finding.side``, or any lung where there is no one-sided finding.
        texture: vessels of the lung, >= 0.
        grain: smooth noise, about -1 to 1, that makes borders irregular.
    """
    air = lung.mask
    inside = {
        "effusion": _effusion,
        "consolidation": _consolidation,
        "nodule": _nodule,
        "pneumothorax": _pneumothorax,
    }
    healthy = -0.55 * air + texture * air
    if finding.kind not in inside:
        return healthy
    return inside[finding.kind](v, lung, finding, healthy=healthy, grain=grain)


def _effusion(v: Map, lung: Lung, finding: Finding, *, healthy: Map, grain: Map) -> Map:
    """Fluid settles at the base and climbs along the chest wall."""
    share = np.clip(lung.across / lung.width, 0, 1)
    highest = lung.dome - 0.06 - 0.42 * finding.severity
    level = highest + 0.16 * (1 - share**1.6) - 0.16 * share**4 + 0.012 * grain
    fluid = step(v - level, 0.025) * lung.cage
    return healthy * (1 - 0.93 * fluid) + 0.06 * fluid


def _consolidation(v: Map, lung: Lung, finding: Finding, *, healthy: Map, grain: Map) -> Map:
    """Filled air spaces: a cloudy patch without sharp border, branching air inside."""
    radius = 0.19 + 0.1 * finding.severity
    x, y = _centred(v, lung, finding)
    patch = step(1 - np.hypot(x / radius, y / (1.15 * radius)) + 0.3 * grain, 0.5)
    bronchi = 0.16 * step(np.cos(34 * x + 20 * y + 3 * grain) - 0.8, 0.15)
    return healthy * (1 - patch * (0.78 - bronchi))


def _nodule(v: Map, lung: Lung, finding: Finding, *, healthy: Map, grain: Map) -> Map:
    """A round, sharply bordered shadow."""
    radius = 0.065 + 0.035 * finding.severity
    x, y = _centred(v, lung, finding)
    disc = step(1 - np.hypot(x, y) / radius + 0.08 * grain, 0.12)
    return healthy + 0.34 * disc * lung.mask


def _pneumothorax(v: Map, lung: Lung, finding: Finding, *, healthy: Map, grain: Map) -> Map:
    """Free air between chest wall and collapsed lung: dark, without vessels, behind a line."""
    gap = lung.width * (0.26 + 0.24 * finding.severity) * (1.1 - 0.6 * lung.depth)
    sunk = 0.16 * np.clip(1 - lung.depth / 0.3, 0, 1)
    border = lung.wall - gap - sunk + 0.008 * grain - lung.across
    free = step(-border, 0.012) * lung.mask
    line = np.exp(-((border / 0.012) ** 2)) * lung.mask
    collapsed = (healthy + 0.13 * lung.mask) * (1 - free)
    return collapsed - 0.68 * free + 0.16 * line


def _centred(v: Map, lung: Lung, finding: Finding) -> tuple[Map, Map]:
    """Coordinates around the finding's centre, patient units."""
    height = lung.apex + finding.depth * (lung.dome + 0.3 - lung.apex)
    return lung.across - finding.across * lung.width, v - height
