"""Texts that a domain shows as they are although its elements are treated."""

from __future__ import annotations

from transferlab.config.domain import DomainConfig
from transferlab.domain.privacy.guard import shown_columns
from transferlab.domain.validation.findings import Problem


def unscrubbed(config: DomainConfig) -> list[Problem]:
    """A warning where elements are treated and texts are not."""
    if config.privacy.dicom is None or config.privacy.text is not None:
        return []
    free = {name for name, task in config.tasks.items() if task.kind != "classify"}
    found = [
        (where, column)
        for where, column in shown_columns(config)
        if where.endswith(".prompt") or where.removesuffix(".answer").partition(".")[2] in free
    ]
    return [
        Problem(
            kind="privacy",
            where=where,
            reason=f"shows '{column}' as it is: set privacy.text: scrub, unless it is no free text",
            severity="warning",
        )
        for where, column in dict.fromkeys(found)
    ]
