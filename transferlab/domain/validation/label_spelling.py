"""Labels that differ in spelling only, and labels that may say that there is none."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping

from transferlab.domain.validation.findings import Labels, Problem

MISSING = frozenset(
    [
        *("nan", "none", "null", "nil", "na", "n/a", "n.a", "#n/a", "<na>", "nat", "undefined"),
        *("-", "--", "?", "??", ".", "unknown", "unk", "missing", "not available"),
    ]
)
"""What programs and people write where they have no value, as ``label_key`` gives it."""
_BETWEEN = re.compile(r"(?<=\w)[-_\s]+(?=\w)")
_AT_END = " \t\r\n.,;:!\"'"
_SHOWN = 6


def label_key(label: str) -> str:
    """A label without what people vary when they write it: case, blanks, hyphens, a full stop,
    quotes and the form of its Unicode."""
    plain = unicodedata.normalize("NFKC", label).casefold().strip()
    return _BETWEEN.sub(" ", plain.strip("\"'").rstrip(_AT_END) or plain)


def describe_spellings(counts: Mapping[str, int]) -> Iterator[str]:
    """A sentence for labels that are one but for their spelling, and one for those of no value.

    Args:
        counts: samples of each label; those without any do not count.
    """
    by_spelling: defaultdict[str, list[str]] = defaultdict(list)
    for label, count in counts.items():
        if count:
            by_spelling[label_key(label)].append(label)
    several = [labels for labels in by_spelling.values() if len(labels) > 1]
    for labels in several[:_SHOWN]:
        yield (
            f"the labels {_counted(labels, counts)} differ in spelling only and are learned as "
            f"{len(labels)} classes; write them alike if they are one"
        )
    if len(several) > _SHOWN:
        yield f"{len(several) - _SHOWN} more labels have several spellings"
    # "none" is an answer in plain English; "None" is what programs write.
    missing = [
        label
        for key, labels in by_spelling.items()
        if key in MISSING
        for label in labels
        if label.strip() != "none"
    ]
    if missing:
        yield (
            f"the labels {_counted(missing, counts)} may say that there is none, and are learned "
            "as classes; leave those rows out with the task's where, if so"
        )


def find_label_spellings(labels: Labels) -> list[Problem]:
    """``describe_spellings`` of every classify task, as warnings."""
    return [
        Problem(kind="label_spelling", where=f"tasks.{task}", reason=reason, severity="warning")
        for task, counts in labels.items()
        for reason in describe_spellings({name: sum(by.values()) for name, by in counts.items()})
    ]


def _counted(labels: list[str], counts: Mapping[str, int]) -> str:
    shown = ", ".join(f"'{label}' ({counts[label]})" for label in labels[:_SHOWN])
    return shown + (f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else "")
