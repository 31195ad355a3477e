"""The split of every sample: by shares of groups, by a column, or by a manifest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from transferlab.core.records import SplitName
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.samples.builder import BuiltSample
from transferlab.domain.splits.group_split import commonest, split_groups
from transferlab.domain.splits.manifest import read_manifest
from transferlab.errors import DataError

NOTHING_LEARNED_IS_SCORED = (
    "cannot be measured: no answer of its test split is in its train split; it needs more groups, "
    "another splits.seed, or splits.stratify"
)
"""Of a task whose answers are classes; a check and a run say the same."""


def assign_splits(entry: DomainEntry, built: Sequence[BuiltSample]) -> list[SplitName]:
    """The split of each of ``built``, in order.

    A column may put one group in two splits, which ``shared_groups`` finds.

    Raises:
        DataError: there are too few groups, or the manifest does not fit them.
    """
    section = entry.config.splits
    if section.column is not None:
        return [one.split for one in built if one.split is not None]
    groups: Mapping[str, SplitName]
    if section.manifest is not None:
        groups = manifest_splits(entry, {one.sample.group: one.where for one in reversed(built)})
    else:
        strata: defaultdict[str, list[str]] = defaultdict(list)
        for one in built:
            strata[one.sample.group].append(one.stratum)
        groups = split_groups({g: commonest(values) for g, values in strata.items()}, section)
    return [groups[one.sample.group] for one in built]


def manifest_splits(entry: DomainEntry, where: Mapping[str, str]) -> Mapping[str, SplitName]:
    """The split of each group as the manifest says it.

    Args:
        entry: a domain with a manifest.
        where: file and row of a sample of each group.

    Raises:
        DataError: the manifest cannot be used, or lacks a group.
    """
    named = str(entry.config.splits.manifest)
    groups = read_manifest(entry.folder / named, domain=entry.name)
    strangers = where.keys() - groups.keys()
    if strangers:
        first = next(row for group, row in where.items() if group in strangers)
        raise DataError(
            f"{len(strangers)} group(s) are not in the split manifest '{named}', first that of "
            f"{first}; the manifest is of other data: write a new one, or leave those rows out"
        )
    return groups


def shared_groups(
    built: Sequence[BuiltSample], assigned: Sequence[SplitName]
) -> dict[str, list[BuiltSample]]:
    """Groups on more than one split: of each, the first sample on every split."""
    first: defaultdict[str, dict[SplitName, BuiltSample]] = defaultdict(dict)
    for one, split in zip(built, assigned, strict=True):
        first[one.sample.group].setdefault(split, one)
    return {group: list(on.values()) for group, on in first.items() if len(on) > 1}


def check_disjoint_groups(built: Sequence[BuiltSample], assigned: Sequence[SplitName]) -> None:
    """
    Raises:
        DataError: a group is in two splits.
    """
    shared = shared_groups(built, assigned)
    if shared:
        one, other, *_ = next(iter(shared.values()))
        raise DataError(
            f"{len(shared)} group(s) are in more than one split, first that of {one.where} and "
            f"{other.where}; the split would leak: correct splits.column's values or group"
        )
