"""What every page of ours has: no word of the data is obeyed, and nothing is fetched or run."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from transferlab.core.text.sanitizers import sanitize_html


class _Html(str):
    """Sanitized already; by this method's name Jinja knows it."""

    def __html__(self) -> str:
        return self


def sanitize_value(value: Any) -> Any:
    """What stands between a template's braces, for Jinja's ``finalize``; the template's own macros
    have passed here already."""
    return value if hasattr(value, "__html__") else _Html(sanitize_html(str(value)))


def content_policy(source: str) -> str:
    """What a browser may do with a page: show its own style, pictures and sounds, no more.

    Args:
        source: the template, whose style element is the only one that is allowed.
    """
    style = source.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; media-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
