"""Look at every row and every file of a domain, so that nothing wrong with it is found later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from transferlab.core.records import Quarantined, Sample
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.base.rows import WHERE, BadRow, Row
from transferlab.domain.catalog import DomainEntry
from transferlab.domain.handle import DomainHandle, open_domain
from transferlab.domain.rows.row_source import RowSource, check_row_columns
from transferlab.domain.rows.transcript import CUE_COLUMNS
from transferlab.domain.samples.builder import selected
from transferlab.domain.splits.assignment import manifest_splits
from transferlab.domain.splits.group_split import split_groups
from transferlab.domain.validation.burned_in_search import BurnedInSearch
from transferlab.domain.validation.conflicting_labels import find_repeats, find_shared_instances
from transferlab.domain.validation.counts import (
    count_groups,
    count_labels,
    count_samples,
    empty_splits,
    single_label_tasks,
    thin_labels,
)
from transferlab.domain.validation.display_notes import find_display_notes
from transferlab.domain.validation.findings import CheckReport, Labels, Problem, StreamReport
from transferlab.domain.validation.label_spelling import find_label_spellings
from transferlab.domain.validation.leaks import find_leaks
from transferlab.domain.validation.persons import find_shared_persons, persons_of
from transferlab.domain.validation.sample_index import SampleIndex, open_sample_index
from transferlab.domain.validation.settings import find_setting_problems
from transferlab.domain.validation.text_lengths import TextLengths
from transferlab.domain.validation.trivial_tasks import find_trivial_tasks
from transferlab.errors import DataError

BAD_ROWS = ("medium", "row", "length")
"""Kinds of problems of a single row, which a run may leave out (data.on_bad_sample)."""


@dataclass(frozen=True, kw_only=True)
class Ruler:
    """How long samples are for a backbone, and how long they may be."""

    length_tokens: Callable[[Sample], int]
    """Of prompt, media and answer; raises DataError where the backbone cannot take it."""
    limit_tokens: int
    answer_tokens: Callable[[str], int] | None = None
    """Of an answer that is written; None where none is."""


def check_domain(
    entry: DomainEntry,
    *,
    data_root: Path | None = None,
    cache_root: Path | None = None,
    ruler: Ruler | None = None,
) -> CheckReport:
    """Read every row, decode every medium and compare the splits; train nothing.

    Tables are read row by row, and what is needed of samples and media to compare them is kept on
    disk until the check ends.

    Args:
        entry: from ``find_domains`` or ``read_entry``.
        data_root: folder of the data packs; None means $TRANSFERLAB_DATA.
        cache_root: folder of generated data; None means $TRANSFERLAB_CACHE, then ~/.cache.
        ruler: measures samples for a backbone; None leaves that out.

    Raises:
        InputError: domain.yaml names something that its table does not have.
        DataError: the data are not there, or the table cannot be read.
        EnvironmentProblem: there is no room for the notes; or domain.yaml asks for privacy, and the
            key or a library is missing.
    """
    with open_sample_index() as sample_index:
        return _check(sample_index, entry, data_root=data_root, cache_root=cache_root, ruler=ruler)


def check_stream(
    entries: Sequence[DomainEntry],
    *,
    data_root: Path | None = None,
    cache_root: Path | None = None,
    ruler: Ruler | None = None,
) -> StreamReport:
    """``check_domain`` of each, and what two of them share on different sides.

    Args and Raises: as for ``check_domain``.
    """
    with open_sample_index() as sample_index:
        reports = tuple(
            _check(sample_index, entry, data_root=data_root, cache_root=cache_root, ruler=ruler)
            for entry in entries
        )
        across = tuple(find_leaks(sample_index, None)) if len(entries) > 1 else ()
        return StreamReport(reports=reports, across=across)


def _check(
    sample_index: SampleIndex,
    entry: DomainEntry,
    *,
    data_root: Path | None,
    cache_root: Path | None,
    ruler: Ruler | None,
) -> CheckReport:
    handle = open_domain(
        entry, data_root=data_root, cache_root=cache_root, probes=sample_index, hashed=True
    )
    domain = sample_index.add_domain(entry.name)
    sample_reader = _SampleReader(sample_index, domain, handle, ruler)
    sample_reader.read()
    sample_index.index()
    problems = [
        *find_setting_problems(entry.config),
        *sample_reader.problems,
        *find_repeats(sample_index, domain),
        *_source_problems(handle),
    ]
    problems += find_display_notes(sample_index, domain)
    problems += find_shared_instances(sample_index, domain)
    unsplit = _assign_splits(sample_index, domain, entry)
    # Of rows that are all bad there is nothing to split, and why stands with the rows.
    problems += [] if sample_reader.all_bad else unsplit
    labels: Labels = {}
    if not unsplit:
        problems += empty_splits(sample_index, domain, entry)
        problems += find_leaks(sample_index, domain)
        problems += find_shared_persons(sample_index, domain)
        labels = count_labels(sample_index, domain, entry)
        problems += find_label_spellings(labels)
        problems += find_trivial_tasks(sample_index, domain)
    if handle.source.repeats_items:
        problems = [one for one in problems if not one.about_items]
    return CheckReport(
        domain=entry.name,
        rows=sample_reader.rows,
        media=handle.resolver.files,
        samples=count_samples(sample_index, domain),
        groups=count_groups(sample_index, domain),
        labels=labels,
        problems=(*problems, *thin_labels(labels), *sample_reader.burned_in.problems),
        removed=dict(handle.guard.removed),
    )


def _source_problems(handle: DomainHandle) -> list[Problem]:
    """What the source itself finds wrong with its rows."""
    usable = (row for row in RowSource(handle.source) if not isinstance(row, Quarantined))
    found = handle.source.find_problems(usable)
    return [Problem(kind="source", where=one.where, reason=one.reason) for one in found]


class _SampleReader:
    """One pass over the rows of a domain: samples go into the index, problems are collected."""

    def __init__(
        self, sample_index: SampleIndex, domain: int, handle: DomainHandle, ruler: Ruler | None
    ) -> None:
        self._sample_index, self._domain, self._ruler = sample_index, domain, ruler
        self._entry, self._resolver = handle.entry, handle.resolver
        self._rows = RowSource(handle.source)
        self._builder = handle.builder(own_ids=False)
        entry = handle.entry
        self.burned_in = BurnedInSearch(entry.config.privacy)
        self._found: dict[Problem, None] = {}  # a row that two tasks find bad is told once
        self._fitting = dict.fromkeys(entry.config.tasks, 0)
        self._taskless: list[str] = []
        self._taskless_count = 0
        self._lengths = TextLengths()
        self.rows = 0
        self.all_bad = False
        """Whether there were rows and none of them could be used."""

    def read(self) -> None:
        """Build the samples of every row and add them to the index."""
        columns = self._rows.columns()
        check_row_columns(self._entry, columns)
        if self._entry.config.source.transcript is not None:
            columns |= set(CUE_COLUMNS)
        checked = False
        for row in self._rows:
            self.rows += 1
            if isinstance(row, Quarantined):
                self._add(_bad_row(row.where, row.reason))
                continue
            if not checked:  # rows that are all bad say nothing about columns
                self._builder.check_known(columns)
                checked = True
            self._build(row)
        self.all_bad = bool(self.rows) and not checked

    @property
    def problems(self) -> list[Problem]:
        """Everything that was found."""
        unfit = [
            Problem(
                kind="task",
                where=f"tasks.{name}",
                reason=f"where fits none of {self.rows} rows",
            )
            for name, fitting in self._fitting.items()
            if not fitting and self.rows and not self.all_bad
        ]
        return [
            *self._found,
            *unfit,
            *single_label_tasks(self._sample_index, self._domain, self._entry),
            *self._left_out(),
            *self._lengths.problems,
        ]

    def _build(self, row: Row) -> None:
        fits = [name for name, task in self._entry.config.tasks.items() if selected(task, row)]
        if not fits:
            self._taskless = self._taskless or [row[WHERE]]
            self._taskless_count += 1
        for name in fits:
            self._fitting[name] += 1
            try:
                self._index_sample(name, row)
            except BadRow as error:
                self._add(_bad_row(row[WHERE], str(error)))

    def _index_sample(self, name: str, row: Row) -> None:
        built = self._builder.build_sample(name, row)
        task = self._entry.config.tasks[name]
        # Choices that differ from row to row are no classes.
        closed = task.kind == "classify" and not isinstance(task.choices, str)
        media_keys = [self._resolver.key(ref.kind, ref.path) for ref in built.sample.media]
        label = built.sample.answer if closed else None
        text = f"{built.sample.full_prompt} {built.sample.answer} {built.own_text}"
        self._sample_index.add(
            self._domain, built, label=label, media_keys=media_keys, persons=persons_of(row, text)
        )
        for ref, key in zip(built.sample.media, media_keys, strict=True):
            wanted = self.burned_in.wants(ref)
            if wanted and self._sample_index.is_first_search(f"{key}:{ref.frames}"):
                self.burned_in.search(row[WHERE], ref)
        if self._ruler is not None:
            self._measure(built.sample, where=row[WHERE], ruler=self._ruler)
        else:
            self._lengths.add(built.sample, where=row[WHERE])

    def _measure(self, sample: Sample, *, where: str, ruler: Ruler) -> None:
        try:
            tokens = ruler.length_tokens(sample)
        except UnreadableMedium as error:
            self._add(Problem(kind="medium", where=where, reason=error.reason))
            return
        except DataError as error:
            self._add(Problem(kind="row", where=where, reason=str(error)))
            return
        if tokens > ruler.limit_tokens:
            reason = (
                f"task '{sample.task}': {tokens} tokens with media and answer, more than the "
                f"backbone's {ruler.limit_tokens}; shorten it, show fewer frames, or raise "
                "backbone.max_length_tokens"
            )
            self._add(Problem(kind="length", where=where, reason=reason))

    def _add(self, problem: Problem) -> None:
        self._found[problem] = None

    def _left_out(self) -> list[Problem]:
        """A warning where rows fit no task: they and their media are not looked at."""
        more = self._taskless_count - 1
        others = f", nor do {more} more rows" if more else ""
        reason = f"fits no task's where{others}; nothing is asked of it"
        return [
            Problem(kind="unasked", where=where, reason=reason, severity="warning")
            for where in self._taskless
        ]


def _bad_row(where: str, reason: str) -> Problem:
    kind = "medium" if reason.startswith("medium ") else "row"
    return Problem(kind=kind, where=where, reason=reason)


def _assign_splits(sample_index: SampleIndex, domain: int, entry: DomainEntry) -> list[Problem]:
    """Put every sample on its side; what keeps it from that."""
    section = entry.config.splits
    if section.column is not None:
        return []
    try:
        if section.manifest is not None:
            sample_index.assign(domain, manifest_splits(entry, sample_index.first_rows(domain)))
        elif not sample_index.deal(domain, section):
            # Few groups, some of which are moved so that every split has one.
            sample_index.assign(domain, split_groups(sample_index.strata(domain), section))
    except DataError as error:
        return [Problem(kind="splits", where="splits", reason=str(error))]
    return []
