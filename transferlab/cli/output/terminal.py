"""The only way to the terminal: what came from data is shown there and never obeyed."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text

from transferlab.core.text.sanitizers import escape_json, sanitize_terminal
from transferlab.core.text.secrets import hide_in_text
from transferlab.errors import TransferlabWarning

PIPED_COLUMNS = 400
"""Room for tables in files and CI logs, where a folded line cannot be searched for."""


class SafeConsole(Console):
    """A console whose own escape sequences are the only ones. It shows every text as it is given:
    neither rich's markup nor its names of emoji, since names and labels may look like both."""

    def __init__(self, *, stderr: bool = False, width: int | None = None) -> None:
        super().__init__(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **how: Any) -> Text:
        """Every string, cells and titles of tables too, becomes a rich text here."""
        return super().render_str(make_safe(text), **how)


def make_safe(text: str) -> str:
    """A text as a terminal may have it: nothing that it obeys, no secret of an address."""
    return hide_in_text(sanitize_terminal(text))


def output() -> Console:
    """Standard output: as wide as the terminal, or wide and plain where it is piped."""
    console = SafeConsole()
    return console if console.is_terminal else SafeConsole(width=PIPED_COLUMNS)


def say(text: object = "") -> None:
    """A text on standard output."""
    print(make_safe(str(text)))


def say_json(content: Any) -> None:
    """Plain data on standard output as JSON."""
    print(hide_in_text(escape_json(json.dumps(content, indent=2, ensure_ascii=False))))


def complain(text: str) -> None:
    """A sentence on standard error; what follows on further lines is indented, as part of it."""
    print(f"transferlab: {_indent(make_safe(text))}", file=sys.stderr)


def _indent(text: str) -> str:
    """So that no label with a line feed adds a line that looks like one of ours."""
    return re.sub(r"\n(?!  )", "\n  ", text)


def show_traceback(error: BaseException) -> None:
    """On standard error, for --debug."""
    print(make_safe("".join(traceback.format_exception(error))), end="", file=sys.stderr)


def is_watched(console: Console) -> bool:
    """Whether moving bars make sense: a real terminal, outside CI."""
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return console.is_terminal and not console.is_dumb_terminal and not in_ci


@contextmanager
def safe_messages() -> Iterator[None]:
    """Make what is logged and warned harmless too, whoever does it, for the length of a block."""
    make_record, format_warning = logging.getLogRecordFactory(), warnings.formatwarning

    def safe_record(*given: Any, **named: Any) -> logging.LogRecord:
        record = make_record(*given, **named)
        record.msg, record.args = make_safe(record.getMessage()), None
        return record

    def safe_warning(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, *rest: Any
    ) -> str:
        if issubclass(category, TransferlabWarning):
            return f"transferlab: warning: {_indent(make_safe(str(message)))}\n"
        return make_safe(format_warning(message, category, filename, lineno, *rest))

    logging.setLogRecordFactory(safe_record)
    warnings.formatwarning = safe_warning  # type: ignore[assignment]  # takes more than it names
    try:
        yield
    finally:
        logging.setLogRecordFactory(make_record)
        warnings.formatwarning = format_warning
