"""Loss curves of a pretraining. No pyplot: nothing global is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEAN, SINGLE = "#0072B2", "#56B4E9"
"""Colours of the moving mean and of single steps, from Okabe and Ito's set."""


def learning_curves(losses: Mapping[str, Sequence[float]]) -> Figure:
    """A panel per part of a training, with its losses by step and their moving mean.

    Args:
        losses: by the part's name, in nats, one per step.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(losses), 3.2), layout="constrained")
    panels = figure.subplots(1, len(losses), squeeze=False)[0]
    for axes, (name, values) in zip(panels, losses.items(), strict=True):
        steps = range(1, len(values) + 1)
        axes.plot(steps, values, color=SINGLE, linewidth=0.6)
        width = max(1, len(values) // 50)
        means = [sum(values[max(0, end - width) : end]) / min(width, end) for end in steps]
        axes.plot(steps, means, color=MEAN, linewidth=1.8)
        axes.set(xlabel="step", ylabel="loss (nats)", ylim=(0, None))
        axes.set_title(name, loc="left")
        axes.grid(axis="y", color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    return figure
