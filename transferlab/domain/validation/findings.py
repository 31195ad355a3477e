"""What a check of a domain found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from transferlab.core.records import SplitName

Severity = Literal["error", "warning"]
Labels = Mapping[str, Mapping[str, Mapping[SplitName, int]]]
"""By classify task with one label set for all rows, then by label: samples per split."""

_ABOUT_ITEMS = (
    *("duplicate", "contradiction"),
    *("identical_medium", "near_duplicate_picture", "near_duplicate_text"),
)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something that is wrong with a domain, or may be."""

    kind: str
    """One word for all of a sort, e.g. "row", "identical_medium"."""
    where: str
    """File and row, or the key of domain.yaml; no content of a row and no file name of a medium."""
    reason: str
    severity: Severity = "error"
    """Errors make a domain unfit to be trained on; a warning asks the user to look."""

    @property
    def about_items(self) -> bool:
        """Whether it is none where a source means to repeat its items on every side."""
        return self.kind in _ABOUT_ITEMS


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """Everything that was found in one domain, and how much was looked at."""

    domain: str
    rows: int = 0
    media: int = 0
    """Distinct files."""
    samples: Mapping[SplitName, int] = field(default_factory=dict)
    groups: Mapping[SplitName, int] = field(default_factory=dict)
    labels: Labels = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    removed: Mapping[str, int] = field(default_factory=dict)
    """What privacy.text removed, by kind."""

    @property
    def sound(self) -> bool:
        """Whether there is no error; warnings do not count."""
        return not self.errors

    @property
    def errors(self) -> list[Problem]:
        return [one for one in self.problems if one.severity == "error"]

    @property
    def warnings(self) -> list[Problem]:
        return [one for one in self.problems if one.severity == "warning"]

    def to_record(self) -> dict[str, Any]:
        """The report as JSON-safe data, with counts by kind."""
        return {
            **asdict(self),
            "problems": [asdict(one) for one in self.problems],
            "counts": dict(Counter(one.kind for one in self.problems)),
            "sound": self.sound,
        }


@dataclass(frozen=True, kw_only=True)
class StreamReport:
    """Several domains of one stream, and what two of them share."""

    reports: tuple[CheckReport, ...]
    across: tuple[Problem, ...] = ()
    """What is on different sides of two domains."""

    @property
    def errors(self) -> list[Problem]:
        """Of every domain, and across them."""
        return [one for one in self.problems if one.severity == "error"]

    @property
    def problems(self) -> list[Problem]:
        """Of every domain, and across them."""
        return [*(one for report in self.reports for one in report.problems), *self.across]

    def to_record(self) -> dict[str, Any]:
        """The report as JSON-safe data."""
        return {
            "domains": [report.to_record() for report in self.reports],
            "across": [asdict(one) for one in self.across],
            "sound": not self.errors,
        }
