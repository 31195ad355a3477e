"""One domain, from its entry in the catalogue to samples in splits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from transferlab.config.domain import DomainConfig, TaskSection
from transferlab.core.records import SPLITS, DomainData, Quarantined, Sample, SplitName
from transferlab.domain.base.template import marks_of
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.handle import DomainHandle, open_domain
from transferlab.domain.media.resolver import MediaResolver
from transferlab.domain.rows.row_source import read_rows
from transferlab.domain.samples.builder import BuiltSample
from transferlab.domain.sources.generated import at_most
from transferlab.domain.splits.assignment import (
    NOTHING_LEARNED_IS_SCORED,
    assign_splits,
    check_disjoint_groups,
)
from transferlab.errors import DataError

NEEDED_BY_TASKS: tuple[SplitName, ...] = ("train", "test")


def load_domain(
    entry: DomainEntry,
    *,
    data_root: Path | None = None,
    on_bad_sample: Literal["stop", "quarantine"] = "stop",
    cache_root: Path | None = None,
    generated_samples: int | None = None,
) -> DomainData:
    """Read a domain's rows, check its media and deal its groups out to the splits.

    Args:
        entry: from ``find_domains``.
        data_root: folder of the data packs; None means $TRANSFERLAB_DATA.
        on_bad_sample: whether a row that cannot be used stops the load or is reported in
            ``DomainData.quarantined``.
        cache_root: folder of generated data; None means $TRANSFERLAB_CACHE, then ~/.cache.
        generated_samples: generated domains: at most so many, None for what domain.yaml asks.

    Raises:
        InputError: domain.yaml does not fit its table.
        DataError: the data are missing, a row is bad (with "stop"), nothing is left, or a split is
            empty.
        EnvironmentProblem: domain.yaml asks for privacy, and the key or a library is missing.
    """
    entry = at_most(entry, generated_samples)
    domain = open_domain(entry, data_root=data_root, cache_root=cache_root)
    built, bad = _built_samples(domain, stop=on_bad_sample == "stop")
    splits = _split(entry, built)
    config = entry.config
    return DomainData(
        name=config.name,
        version=config.version,
        title=config.title,
        licence=config.licence,
        source_kind=config.source.kind,
        primary_metrics={name: task.metrics[0] for name, task in config.tasks.items()},
        splits=splits,
        digest=_digest(config, splits, domain.resolver),
        quarantined=tuple(bad),
        metrics={name: tuple(task.metrics) for name, task in config.tasks.items()},
        removed=dict(domain.guard.removed),
        questions={name: _question(config, task) for name, task in config.tasks.items()},
    )


def _question(config: DomainConfig, task: TaskSection) -> dict[str, Any]:
    """How a task is asked, and how the media of its prompt are read; no path, no value of a row."""
    marks = [name for name in marks_of(task.prompt) if name in config.source.media]
    shown = {"kind", "frames", "frames_per_second", "sound"}
    masked = None if config.privacy.dicom is None else config.privacy.burned_in
    return {
        "kind": task.kind,
        "prompt": task.prompt,
        "choices": task.choices,
        "media": {name: config.source.media[name].model_dump(include=shown) for name in marks},
        "burned_in": masked,
    }


def _built_samples(
    domain: DomainHandle, *, stop: bool
) -> tuple[list[BuiltSample], list[Quarantined]]:
    """The samples of all rows, at least one, and the rows that gave none; none with ``stop``."""
    name = domain.entry.name
    rows, bad = read_rows(domain.source)
    if bad and not rows:
        raise _bad_rows(name, bad)
    built, unusable = domain.builder().build(rows)
    bad += unusable
    if bad and stop:
        raise _bad_rows(name, bad)
    if not built:
        raise DataError(
            f"domain '{name}': not one row can be used; {bad[0].where}: {bad[0].reason}"
        )
    return built, bad


def _split(
    entry: DomainEntry, built: Sequence[BuiltSample]
) -> Mapping[SplitName, tuple[Sample, ...]]:
    try:
        assigned = assign_splits(entry, built)
        check_disjoint_groups(built, assigned)
    except DataError as error:
        raise DataError(f"domain '{entry.name}': {error}") from None
    placed = zip((one.sample for one in built), assigned, strict=True)
    # By id, so that the order of rows in a table changes nothing downstream.
    ordered = sorted(placed, key=lambda pair: pair[0].id)
    splits = {name: tuple(s for s, split in ordered if split == name) for name in SPLITS}
    for task in entry.config.tasks:
        for split in NEEDED_BY_TASKS:
            if not any(sample.task == task for sample in splits[split]):
                raise DataError(
                    f"domain '{entry.name}': task '{task}' has no sample in the {split} split; "
                    "it needs more groups, another splits.seed, or splits.stratify"
                )
        if _nothing_learned_is_scored(entry.config.tasks[task], task, splits):
            raise DataError(f"domain '{entry.name}': task '{task}' {NOTHING_LEARNED_IS_SCORED}")
    return splits


def _nothing_learned_is_scored(
    section: TaskSection, name: str, splits: Mapping[SplitName, Sequence[Sample]]
) -> bool:
    # Choices that differ from row to row are no classes.
    if section.kind != "classify" or isinstance(section.choices, str):
        return False
    train, test = (
        {sample.answer for sample in splits[split] if sample.task == name}
        for split in NEEDED_BY_TASKS
    )
    return not train & test


def _bad_rows(name: str, bad: Sequence[Quarantined]) -> DataError:
    first = bad[0]
    more = f" ({len(bad) - 1} more problems)" if len(bad) > 1 else ""
    return DataError(
        f"domain '{name}': {first.where}: {first.reason}{more}; repair the data, or set "
        "data.on_bad_sample=quarantine to leave such rows out and report them"
    )


def _digest(
    config: DomainConfig, splits: Mapping[SplitName, Sequence[Sample]], resolver: MediaResolver
) -> str:
    """SHA-256 of all that decides a score: the samples, their assigned and how they are scored."""
    digest = hashlib.sha256()

    def add(*parts: str) -> None:
        for part in parts:
            digest.update(part.encode() + b"\x1f")

    for name, task in config.tasks.items():
        add("task", name, *task.metrics)
    for split in SPLITS:
        for sample in splits[split]:
            add(split, sample.id, sample.prompt, sample.answer, *sample.choices)
            for turn in sample.history:
                add(turn.role, turn.text, "learned" if turn.learned else "context")
            add(*(resolver.fingerprint(ref) for ref in sample.media))
    return digest.hexdigest()
