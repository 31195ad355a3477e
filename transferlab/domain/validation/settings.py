"""What is wrong with domain.yaml whatever the data are."""

from __future__ import annotations

from transferlab.config.domain import DomainConfig
from transferlab.domain.privacy.guard import shown_columns
from transferlab.domain.validation.findings import Problem
from transferlab.metrics.answers import check_metrics

NOT_STATED = "not stated"
"""What `domains register` writes as the licence, for the user to replace."""


def find_setting_problems(config: DomainConfig) -> list[Problem]:
    """Metrics that do not fit their task, a licence that nobody wrote, texts shown as they are."""
    problems = [
        Problem(kind="metrics", where=f"tasks.{name}.metrics", reason=reason)
        for name, task in config.tasks.items()
        for reason in check_metrics(task.kind, task.metrics)
    ]
    if config.licence == NOT_STATED:
        reason = "is not stated; write into domain.yaml under which terms the data are used"
        problems.append(Problem(kind="licence", where="licence", reason=reason, severity="warning"))
    return problems + _unscrubbed_texts(config)


def _unscrubbed_texts(config: DomainConfig) -> list[Problem]:
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
