"""A report as one self-contained HTML page: no script, and nothing from anywhere else."""

from __future__ import annotations

import base64
import re
from importlib import resources
from typing import Any

import jinja2

from transferlab.core.text.html_pages import content_policy, sanitize_value
from transferlab.reporting.document import Bar, Figure, Listing, Report, Table, as_cell

BAR_WIDTH, BAR_HEIGHT, BAR_MARGIN = 150, 14, 4
"""Of a bar, in its own units; the style says how large it is shown."""
SHADES = 10


def render_html(report: Report) -> str:
    """The page. Whatever is put into it goes through one function, which makes text of it."""
    source = (resources.files("transferlab.reporting") / "report.jinja").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=sanitize_value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": as_cell, "drawn": _drawn, "shade": _shade, "anchor": anchor}
    environment.tests |= {
        "a_table": lambda block: isinstance(block, Table),
        "a_figure": lambda block: isinstance(block, Figure),
        "a_listing": lambda block: isinstance(block, Listing),
    }
    return environment.from_string(source).render(
        report=report, policy=content_policy(source), data_uri=_data_uri
    )


def anchor(title: str) -> str:
    """A heading as the name of its place on the page."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _data_uri(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode()


def _shade(share: float) -> int:
    """A share in [0, 1] as the number of one of the style's shades."""
    return round(SHADES * min(max(share, 0.0), 1.0))


def _drawn(bar: Bar) -> dict[str, Any]:
    """Where the parts of a bar lie, in its own units."""

    def across(value: float) -> str:
        least, most = bar.scale
        share = min(max((value - least) / (most - least), 0.0), 1.0)
        return f"{BAR_MARGIN + share * (BAR_WIDTH - 2 * BAR_MARGIN):.1f}"

    return {
        "width": BAR_WIDTH,
        "height": BAR_HEIGHT,
        "start": BAR_MARGIN,
        "end": BAR_WIDTH - BAR_MARGIN,
        "value": across(bar.value),
        "interval": [across(bound) for bound in bar.interval or ()],
        "marks": [across(mark) for mark in bar.marks],
    }
