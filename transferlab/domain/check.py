"""Look at every row and every file of a domain, so that nothing wrong with it is found later."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from transferlab.core.records import SPLITS, Quarantined, SplitName
from transferlab.domain.asking import Asked, Asker, selected
from transferlab.domain.catalogue import DomainEntry
from transferlab.domain.leaks import find_leaks
from transferlab.domain.places import domain_root
from transferlab.domain.privacy.guard import guard_of, shown_columns
from transferlab.domain.privacy.pictures import find_burned_in
from transferlab.domain.repeats import find_repeats
from transferlab.domain.report import CheckReport, Problem
from transferlab.domain.rows import read_rows
from transferlab.domain.shelf import Shelf
from transferlab.domain.sides import sides_of
from transferlab.domain.table import WHERE
from transferlab.errors import DataError
from transferlab.metrics.answers import check_metrics

FEW_TEST_SAMPLES = 5
"""Below so many test samples of a label, its recall moves in steps of a quarter and more."""
NOT_STATED = "not stated"
"""What `domains register` writes as the licence, for the user to replace."""


def check_domain(
    entry: DomainEntry, *, data_root: Path | None = None, cache_root: Path | None = None
) -> CheckReport:
    """Read every row, decode every medium and compare the splits; train nothing.

    Rows are kept in memory and media are not: of each file only its digest, a picture's hash and
    what was wrong with it remain.

    Args:
        entry: from ``find_domains`` or ``read_entry``.
        data_root: folder of the data packs; None means $TRANSFERLAB_DATA, then ../shared/data.
        cache_root: folder of generated data; None means $TRANSFERLAB_CACHE, then ~/.cache.

    Raises:
        InputError: domain.yaml names something that its table does not have.
        DataError: the data are not there, or the table cannot be read.
        EnvironmentProblem: domain.yaml asks for privacy, and the key or a library is missing.
    """
    root = domain_root(entry, data_root=data_root, cache_root=cache_root)
    guard = guard_of(entry, root)
    rows, unread = read_rows(entry, root, guard=guard)
    problems = [*map(_bad_row, unread), *_in_settings(entry)]
    shelf = Shelf(root, hashed=True, privacy=entry.config.privacy)
    asked: list[Asked] = []
    if rows:
        asker = Asker(entry.config, file=entry.file, shelf=shelf, guard=guard)
        asker.check_templates(rows)
        asked, unasked = _ask(asker, entry, rows)
        problems += unasked
    problems += find_repeats(asked, shelf)
    sides, counted = _sides(entry, asked)
    problems += counted
    problems += find_leaks(asked, sides, shelf) if sides else []
    labels = _labels(entry, asked, sides) if sides else {}
    return CheckReport(
        domain=entry.name,
        rows=len(rows) + len(unread),
        media=shelf.files,
        samples={name: sides.count(name) for name in SPLITS},
        groups=_groups(asked, sides),
        labels=labels,
        problems=(*problems, *_thin(labels), *find_burned_in(asked, entry.config.privacy)),
        removed=dict(guard.removed),
    )


def _in_settings(entry: DomainEntry) -> list[Problem]:
    """What is wrong with domain.yaml whatever the data are."""
    problems = [
        Problem(kind="metrics", where=f"tasks.{name}.metrics", reason=reason)
        for name, task in entry.config.tasks.items()
        for reason in check_metrics(task.kind, task.metrics)
    ]
    if entry.config.licence == NOT_STATED:
        reason = "is not stated; write into domain.yaml under which terms the data are used"
        problems.append(Problem(kind="licence", where="licence", reason=reason, severity="warning"))
    return problems + _unscrubbed(entry)


def _unscrubbed(entry: DomainEntry) -> list[Problem]:
    """A warning where elements are treated and texts are not."""
    config = entry.config
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


def _bad_row(bad: Quarantined) -> Problem:
    kind = "medium" if bad.reason.startswith("medium ") else "row"
    return Problem(kind=kind, where=bad.where, reason=bad.reason)


def _ask(
    asker: Asker, entry: DomainEntry, rows: list[dict[str, str]]
) -> tuple[list[Asked], list[Problem]]:
    """All samples, and a problem for every row and every task that cannot be used."""
    asked: list[Asked] = []
    problems: dict[Problem, None] = {}  # a row that two tasks find bad is told once
    for name in entry.config.tasks:
        try:
            made, broken = asker.ask_task(name, rows)
        except DataError as error:
            reason = str(error).partition(f"tasks.{name}")[2].lstrip(". ")
            problems[Problem(kind="task", where=f"tasks.{name}", reason=reason)] = None
        else:
            asked += made
            problems |= dict.fromkeys(map(_bad_row, broken))
    return asked, [*problems, *_unasked(entry, rows)]


def _unasked(entry: DomainEntry, rows: list[dict[str, str]]) -> list[Problem]:
    """A warning where rows fit no task: they and their media are not looked at."""
    tasks = entry.config.tasks.values()
    left = [row for row in rows if not any(selected(task, row) for task in tasks)]
    if not left:
        return []
    reason = f"fits no task's where, nor do {len(left) - 1} more rows; nothing is asked of them"
    return [Problem(kind="unasked", where=left[0][WHERE], reason=reason, severity="warning")]


def _sides(entry: DomainEntry, asked: Sequence[Asked]) -> tuple[list[SplitName], list[Problem]]:
    """The split of each sample; none, and why, where samples cannot be dealt out."""
    try:
        sides = sides_of(entry, asked)
    except DataError as error:
        return [], [Problem(kind="splits", where="splits", reason=str(error))]
    problems = []
    for task in entry.config.tasks:
        there = {side for one, side in zip(asked, sides, strict=True) if one.sample.task == task}
        problems += [
            Problem(kind="splits", where=f"tasks.{task}", reason=f"has no sample in {side}")
            for side in ("train", "test")
            if side not in there
        ]
    return sides, problems


def _groups(asked: Sequence[Asked], sides: Sequence[SplitName]) -> dict[SplitName, int]:
    groups = {(side, one.sample.group) for one, side in zip(asked, sides, strict=False)}
    counts = Counter(side for side, _ in groups)
    return {name: counts[name] for name in SPLITS}


def _labels(
    entry: DomainEntry, asked: Sequence[Asked], sides: Sequence[SplitName]
) -> dict[str, dict[str, dict[SplitName, int]]]:
    """By task and label: samples per split; a label without any is there too."""
    counts: defaultdict[str, Counter[tuple[str, SplitName]]] = defaultdict(Counter)
    sets: dict[str, tuple[str, ...]] = {}
    for one, side in zip(asked, sides, strict=True):
        section = entry.config.tasks[one.sample.task]
        if section.kind != "classify" or isinstance(section.choices, str):
            continue  # choices that differ from row to row are no classes
        sets[one.sample.task] = one.sample.choices
        counts[one.sample.task][one.sample.answer, side] += 1
    return {
        task: {label: {side: counts[task][label, side] for side in SPLITS} for label in labels}
        for task, labels in sets.items()
    }


def _thin(labels: dict[str, dict[str, dict[SplitName, int]]]) -> list[Problem]:
    """Labels that cannot be learned or scored, and those whose score would mean little."""
    found = []
    for task, counts in labels.items():
        for label, by_side in counts.items():
            where = f"tasks.{task}, label '{label}'"
            for side, verb in (("train", "learned"), ("test", "scored")):
                if not by_side[side]:
                    reason = f"has no sample in {side}, so it cannot be {verb}"
                    found.append(Problem(kind="label_count", where=where, reason=reason))
            if 0 < by_side["test"] < FEW_TEST_SAMPLES:
                found.append(
                    Problem(
                        kind="label_count",
                        where=where,
                        reason=f"has only {by_side['test']} sample(s) in test, fewer than "
                        f"{FEW_TEST_SAMPLES}: its score will say little",
                        severity="warning",
                    )
                )
    return found
