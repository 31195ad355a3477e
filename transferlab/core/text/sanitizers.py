"""Text that came from data, made harmless for where it is shown: one function for each place.

Titles, labels, licences, prompts, columns, keys and file names are written by others. A terminal
obeys escape sequences in them, a browser tags, a Markdown viewer links, and all of them characters
that turn the direction of writing and so show another text than is there.
"""

from __future__ import annotations

import html
import re

_OBEYED = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed; C1 has CSI too
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of writing
    "\u2028\u2029"  # line ends that only some programs know
    "\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb"  # not seen, and seen by programs
    "\U000e0000-\U000e007f"  # letters that nobody sees
    "\ud800-\udfff"  # halves of characters: how Python reads file names that are no UTF-8
)
_UNSAFE = re.compile(f"[{_OBEYED}]")
_UNSAFE_IN_A_LINE = re.compile(f"[\t\n{_OBEYED}]")
_MARKDOWN = re.compile(r"[\\`*\[\]|~$!#{}]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown, with tables and formulas, obeys in the middle of a line."""


def sanitize_terminal(text: str) -> str:
    r"""For terminals and logs: what they would obey is written out, as ``\x1b``."""
    return _UNSAFE.sub(_write_out, text)


def sanitize_line(text: str) -> str:
    r"""As ``sanitize_terminal``, on one line: a line feed is ``\n``, so that nobody adds lines."""
    return _UNSAFE_IN_A_LINE.sub(_write_out, text)


def sanitize_html(text: str) -> str:
    """For HTML, between tags and in quoted attributes: no tag, no entity, no control."""
    return html.escape(sanitize_terminal(text), quote=True)


def sanitize_markdown(text: str) -> str:
    """For the middle of a line of Markdown, of table cells too: no link, no tag, no new line."""
    line = _UNSAFE.sub(_write_out, " ".join(text.splitlines()))
    line = _MARKDOWN.sub(lambda found: f"\\{found[0]}", line)
    return html.escape(line, quote=False)


def escape_json(text: str) -> str:
    r"""A JSON document that may be shown on a terminal: the same content, with ``\u009b``."""
    return _UNSAFE.sub(_json_escape, text)


def _write_out(found: re.Match[str]) -> str:
    """As Python writes it in a string."""
    return found[0].encode("unicode_escape").decode("ascii")


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
