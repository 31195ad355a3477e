"""How many samples, groups and labels a domain has on each split."""

from __future__ import annotations

from transferlab.core.records import SPLITS, SplitName
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.splits.assignment import NOTHING_LEARNED_IS_SCORED
from transferlab.domain.validation.findings import Labels, Problem
from transferlab.domain.validation.sample_index import SampleIndex

FEW_TEST_SAMPLES = 5
"""Below so many test samples of a label, its recall moves in steps of a quarter and more."""


NAMED_LABELS = 10
"""Labels that have a problem each; of more there is one for all."""
LABEL_CHARACTERS = 80
"""Of a label in a sentence about many."""


def shorten(label: str) -> str:
    """A label as messages and tables show it."""
    return label if len(label) <= LABEL_CHARACTERS else f"{label[:LABEL_CHARACTERS]}..."


def count_samples(sample_index: SampleIndex, domain: int) -> dict[SplitName, int]:
    """Samples of each split."""
    return _by_split(sample_index, domain, "count(*)")


def count_groups(sample_index: SampleIndex, domain: int) -> dict[SplitName, int]:
    """Groups of each split."""
    return _by_split(sample_index, domain, "count(DISTINCT owner)")


def count_labels(sample_index: SampleIndex, domain: int, entry: DomainEntry) -> Labels:
    """By classify task and label: samples per split; a label without any is there too."""
    counted: dict[str, dict[str, dict[SplitName, int]]] = {}
    query = (
        "SELECT task, label, split, count(*) FROM samples WHERE domain = ? AND label IS NOT NULL "
        "GROUP BY task, label, split ORDER BY label"
    )
    for task, label, split, count in sample_index.rows(query, domain):
        if task not in counted:
            given = entry.config.tasks[task].choices
            known = given if isinstance(given, list) else []
            counted[task] = {one: dict.fromkeys(SPLITS, 0) for one in known}
        counted[task].setdefault(label, dict.fromkeys(SPLITS, 0))[SPLITS[split]] = count
    return counted


def thin_labels(labels: Labels) -> list[Problem]:
    """Labels that cannot be learned or scored, and those whose score would mean little; an error
    where no label is both learned and scored, as a run has it too.

    Of a task with many such labels one problem tells their number, and names the first.
    """
    found = []
    for task, counts in labels.items():
        no_train = [label for label, by_split in counts.items() if not by_split["train"]]
        no_test = [label for label, by_split in counts.items() if not by_split["test"]]
        if counts and all(not one["train"] or not one["test"] for one in counts.values()):
            where = f"tasks.{task}"
            found.append(Problem(kind="label_count", where=where, reason=NOTHING_LEARNED_IS_SCORED))
        few = [one for one, by_split in counts.items() if 0 < by_split["test"] < FEW_TEST_SAMPLES]
        found += _describe(task, no_train, "no sample in train, so it cannot be learned")
        found += _describe(task, no_test, "no sample in test, so it cannot be scored")
        found += _describe(
            task,
            few,
            f"fewer than {FEW_TEST_SAMPLES} samples in test: its score will say little",
        )
    return found


def _describe(task: str, labels: list[str], has: str) -> list[Problem]:
    """A warning per label, or one of all where they are many."""
    subjects = [(f"tasks.{task}, label '{shorten(label)}'", f"has {has}") for label in labels]
    if len(labels) > NAMED_LABELS:
        named = ", ".join(f"'{shorten(label)}'" for label in labels[:3])
        subjects = [(f"tasks.{task}", f"each of {len(labels)} labels has {has} ({named}, ...)")]
    return [
        Problem(kind="label_count", where=where, reason=reason, severity="warning")
        for where, reason in subjects
    ]


def _by_split(sample_index: SampleIndex, domain: int, counted: str) -> dict[SplitName, int]:
    query = (
        f"SELECT split, {counted} FROM samples WHERE domain = ? AND split IS NOT NULL "
        "GROUP BY split"
    )
    found = dict(sample_index.rows(query, domain))
    return {name: found.get(at, 0) for at, name in enumerate(SPLITS)}


def empty_splits(sample_index: SampleIndex, domain: int, entry: DomainEntry) -> list[Problem]:
    """Tasks without a sample in a split that they need."""
    there = set(
        sample_index.rows("SELECT DISTINCT task, split FROM samples WHERE domain = ?", domain)
    )
    return [
        Problem(kind="splits", where=f"tasks.{task}", reason=f"has no sample in {split}")
        for task in entry.config.tasks
        for split in ("train", "test")
        if (task, SPLITS.index(split)) not in there
    ]


def single_label_tasks(sample_index: SampleIndex, domain: int, entry: DomainEntry) -> list[Problem]:
    """Tasks whose labels are collected, and that have only one."""
    query = "SELECT count(DISTINCT label) FROM samples WHERE domain = ? AND task = ?"
    return [
        Problem(
            kind="task",
            where=f"tasks.{name}",
            reason="has only one answer in the data; nothing to classify",
        )
        for name, task in entry.config.tasks.items()
        if task.kind == "classify" and task.choices is None
        if sample_index.one(query, domain, name) == 1
    ]
