"""What the parts of a result are called where people read them."""

from __future__ import annotations

from collections.abc import Sequence

SUMMARY = {
    "acc": "ACC",
    "bwt": "BWT",
    "fwt_over_zero_shot": "FWT over zero-shot",
    "fwt_over_scratch": "FWT over scratch",
    "forgetting_corrected": "forgetting (corrected)",
    "forgetting": "forgetting (Chaudhry)",
    "source_retention": "source retention",
}
SIGNED = ("bwt", "fwt_over_zero_shot", "fwt_over_scratch", "source_retention")
"""Entries of the summary that are differences."""
ARMS = {
    "zero_shot": "zero shot",
    "scratch": "scratch",
    "single": "single",
    "sequential": "sequential",
    "joint": "joint",
}
"""In the order in which they are shown."""
NOT_UNDERSTOOD = (
    "* not above its best control by an interval: nothing shows that the media were understood"
)


def number(value: float | None, *, signed: bool = False) -> str:
    """Three decimals; a dash where nothing was measured."""
    if value is None:
        return "-"
    return f"{value:+.3f}" if signed else f"{value:.3f}"


def significant(value: float | None) -> str:
    """Three significant digits of a number of any size; a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def interval(bounds: Sequence[float] | None, *, signed: bool = True) -> str:
    """``[+0.012, +0.101]``, or a dash."""
    if bounds is None:
        return "-"
    return f"[{number(bounds[0], signed=signed)}, {number(bounds[1], signed=signed)}]"
