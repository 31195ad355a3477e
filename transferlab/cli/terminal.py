"""Where output goes, and whether somebody watches it."""

from __future__ import annotations

import os

from rich.console import Console

PIPED_COLUMNS = 400
"""Room for tables in files and CI logs, where a folded line cannot be searched for."""


def output() -> Console:
    """Standard output: as wide as the terminal, or wide and plain where it is piped."""
    # No markup: names and definitions hold square brackets of their own.
    console = Console(highlight=False, markup=False)
    if console.is_terminal:
        return console
    return Console(highlight=False, markup=False, width=PIPED_COLUMNS)


def is_watched(console: Console) -> bool:
    """Whether moving bars make sense: a real terminal, outside CI."""
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return console.is_terminal and not console.is_dumb_terminal and not in_ci
