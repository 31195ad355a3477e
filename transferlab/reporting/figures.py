"""Figures of a report: those of MLflow, as SVG."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from transferlab.reporting.document import Figure
from transferlab.tracking import figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing


FEWEST = 5
"""Domains, with fewer of which points say nothing about a relation."""


def forgetting_figure(scores: Mapping[str, Any]) -> Figure:
    """The score of every domain over the steps.

    Args:
        scores: ``result["scores"]``, without gaps.
    """
    names = ", ".join(column["domain"] for column in scores["columns"])
    return Figure(
        svg=_as_svg(figures.forgetting_curves(scores)),
        alternative=f"Scores of {names} after each step, as in the table above.",
    )


def similarity_figure(
    distances: Mapping[str, float],
    gains: Mapping[str, Mapping[str, Any]],
    *,
    measure: str,
    gain: str,
) -> Figure:
    """Each domain's distance from the source against its gain; see ``tracking.figures``."""
    few = f"{len(distances)} domains are too few to say whether distance and gain go together"
    drawing = figures.similarity_and_gain(distances, gains, measure=measure, gain=gain)
    points = ", ".join(
        f"{domain} at distance {distance:.4g} gained {gains[domain]['value']:+.3f}"
        for domain, distance in distances.items()
    )
    return Figure(
        svg=_as_svg(drawing),
        alternative=f"{measure} and {gain}: {points}.",
        caption=few if len(distances) < FEWEST else "",
    )


def _as_svg(drawing: Drawing) -> bytes:
    """The same bytes for the same content: no date, and names of parts that are no random ones."""
    import matplotlib

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "transferlab", "svg.fonttype": "path"}):
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        drawing.savefig(buffer, format="svg", metadata=nothing)
    return buffer.getvalue()
