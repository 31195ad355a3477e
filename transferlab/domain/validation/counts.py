"""How many samples, groups and labels a domain has on each split."""

from __future__ import annotations

from transferlab.core.records import SPLITS, SplitName
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.validation.findings import Labels, Problem
from transferlab.domain.validation.sample_index import SampleIndex

FEW_TEST_SAMPLES = 5
"""Below so many test samples of a label, its recall moves in steps of a quarter and more."""


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
    """Labels that cannot be learned or scored, and those whose score would mean little."""
    found = []
    for task, counts in labels.items():
        for label, by_split in counts.items():
            where = f"tasks.{task}, label '{label}'"
            verbs: tuple[tuple[SplitName, str], ...] = (("train", "learned"), ("test", "scored"))
            for split, verb in verbs:
                if not by_split[split]:
                    reason = f"has no sample in {split}, so it cannot be {verb}"
                    found.append(Problem(kind="label_count", where=where, reason=reason))
            if 0 < by_split["test"] < FEW_TEST_SAMPLES:
                found.append(
                    Problem(
                        kind="label_count",
                        where=where,
                        reason=f"has only {by_split['test']} sample(s) in test, fewer than "
                        f"{FEW_TEST_SAMPLES}: its score will say little",
                        severity="warning",
                    )
                )
    return found


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
