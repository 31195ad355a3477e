"""What the columns of an unknown table may be good for: groups, splits, labels, texts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from transferlab.config.domain import SplitsSection
from transferlab.domain.base.rows import WHERE, Row

_GROUPS = (
    r"patient",
    r"subject_?id|participant",
    r"lecture|recording|course|chapter|book|video_?id",
    r"study|case|exam|accession|article|document|group",
)
"""Names of columns that say what belongs together, the widest first."""
_SPLIT = r"part|split|fold|partition|subset|phase|set"
_ATTRIBUTES = (
    r"(patient_?)?(sex|gender)|age_?(band|group)|view\w*|view_?position|modality|laterality"
)
_LABELS = (
    r"label|class\b|finding|diagnos|disease|pathology|target|categor|condition|topic|subject|kind"
    r"|normal|result|outcome|positive|severity|grade|stage|birads"
)
_INTERESTS = (
    r"^(patient_)?(sex|gender)$|(^|_)icu(_|$)|intensive|intubat|ventilat|surviv|died|death|mortal"
    r"|deceased|smok|pregnan|fractur|implant|pacemaker|recurren|relapse|readmi|respon(se|der)"
)
"""Names of columns that are worth a question of their own beside the findings; not the element
PatientSex, which privacy may remove."""
_TEXTS = r"report|impression|findings|caption|description|summary|explanation|text|transcript|note"
_NO_TASK = (
    r"licen[cs]e|redistribut|source|url|commit|path|file|width|height|sha|md5|hash|split|fold"
    r"|attribution|credit|rights|version|date|time|doi|uid\b|_?id$|bytes|size|frames|fps"
    r"|(patient|person|first|last|sur|full|family|given)_?name|^name$|author|radiologist|physician"
    r"|doctor|reader|referr|operator|technician|station"
    r"|manufacturer|scanner|hospital|institution|department|ward$|site$"
)
"""Where a row comes from, and who made it: nothing that a picture shows."""
MAX_LABELS, MAX_LABEL_CHARACTERS = 20, 40
MIN_ROWS_PER_LABEL = 5
_TEXT_CHARACTERS = 30
_LARGEST_GROUP = 0.34
_MIN_GROUPS, _ENOUGH_GROUPS = 3, 20
"""Fewer than 20 groups are split unevenly: a finer column is looked for first."""
MAX_TASKS = 3


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column's values, summed up."""

    name: str
    filled: int
    rows: int
    counts: Counter[str]
    """Of the values that are not empty."""

    @property
    def whole(self) -> bool:
        return self.filled == self.rows

    @property
    def mean_characters(self) -> float:
        return sum(len(v) * n for v, n in self.counts.items()) / max(1, self.filled)

    def named(self, pattern: str) -> bool:
        return re.search(pattern, self.name.lower().replace(" ", "_")) is not None


def summarize_columns(rows: Sequence[Row]) -> dict[str, Column]:
    """Every column; not every one can be named in a template."""
    names = list(dict.fromkeys(name for row in rows for name in row if name != WHERE))
    found = {}
    for name in names:
        if not name:
            continue
        values = [row.get(name, "").strip() for row in rows]
        counts = Counter(value for value in values if value)
        found[name] = Column(name=name, filled=counts.total(), rows=len(rows), counts=counts)
    return found


def find_group(columns: dict[str, Column], *, without: Sequence[str]) -> str | None:
    """The column of the patient, lecture or chapter; None where no name says so."""
    for least in (_ENOUGH_GROUPS, _MIN_GROUPS):
        for pattern in _GROUPS:
            for name, column in columns.items():
                if name in without or not column.named(pattern) or not column.whole:
                    continue
                largest = max(column.counts.values(), default=0)
                if len(column.counts) >= least and largest <= _LARGEST_GROUP * column.rows:
                    return name
    return None


def find_split(columns: dict[str, Column]) -> str | None:
    """The column that says of every row whether it is train or test."""
    section = SplitsSection(column="x")
    for name, column in columns.items():
        splits = {section.split_of(value) for value in column.counts}
        if re.fullmatch(_SPLIT, name.lower()) and column.whole and {"train", "test"} <= splits:
            return name if None not in splits else None
    return None


def find_attributes(columns: dict[str, Column]) -> list[str]:
    """Columns by whose values scores may be told apart: sex, age band, view."""
    return [
        name
        for name, column in columns.items()
        if re.fullmatch(_ATTRIBUTES, name.lower()) and 2 <= len(column.counts) <= MAX_LABELS
    ]


def is_interest(name: str) -> bool:
    """Whether a column's name promises a question of its own, such as sex or intensive care."""
    return re.search(_INTERESTS, name.lower()) is not None


def find_labels(columns: dict[str, Column], *, without: Sequence[str]) -> list[str]:
    """Columns of few short values that come up often; those with a telling name if there are any,
    then those of interest beside them.

    At most ``MAX_TASKS``: which of many columns is worth learning, only the user knows.
    """
    likely = [
        name
        for name, column in columns.items()
        if name not in without
        and 2 <= len(column.counts) <= MAX_LABELS
        and max(map(len, column.counts)) <= MAX_LABEL_CHARACTERS
        and min(column.counts.values()) >= MIN_ROWS_PER_LABEL
        and not column.named(_NO_TASK)
    ]
    telling = [name for name in likely if columns[name].named(_LABELS)]
    others = [name for name in likely if name not in telling and is_interest(name)]
    first = telling or [name for name in likely if name not in others][:1]
    return [*first, *others][:MAX_TASKS]


def find_text(columns: dict[str, Column], *, without: Sequence[str]) -> str | None:
    """The column of reports, captions or descriptions."""
    texts = [
        column
        for name, column in columns.items()
        if name not in without
        and column.mean_characters >= _TEXT_CHARACTERS
        # Reports of healthy patients are often word for word the same.
        and (len(column.counts) >= column.filled / 2 or column.named(_TEXTS))
        and not column.named(_NO_TASK)
    ]
    telling = [column for column in texts if column.named(_TEXTS)]
    best = max(telling or texts, key=lambda column: column.filled, default=None)
    return best.name if best else None


def find_question(columns: dict[str, Column]) -> tuple[str, str] | None:
    """The columns of a question and of its answer."""
    names = {name.lower(): name for name in columns}
    for question in ("question", "query"):
        for answer in ("answer", "response"):
            if question in names and answer in names:
                return names[question], names[answer]
    return None


def find_choices(rows: Sequence[Row], columns: dict[str, Column]) -> tuple[str, str | None] | None:
    """The column of a JSON list of choices per row, and that of the right one's text, if any."""
    for name, column in columns.items():
        if not column.counts or not all(value.startswith("[") for value in column.counts):
            continue
        pairs = [(row, choices_of(row[name])) for row in rows if row.get(name, "").strip()]
        if not all(given for _, given in pairs):
            continue
        for answer in columns:
            if all(row.get(answer, "").strip() in given for row, given in pairs):
                return name, answer
        return name, None
    return None


def choices_of(value: str) -> list[str]:
    """The choices that a JSON list of two or more holds; none where it is no such list."""
    try:
        listed = json.loads(value)
    except (ValueError, RecursionError):
        return []
    several = isinstance(listed, list) and len(listed) > 1
    return [str(one) for one in listed] if several else []
