"""Finished runs side by side: per domain and arm, who is ahead, and by how much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from transferlab.core.records import DomainScore
from transferlab.errors import InputError
from transferlab.metrics.intervals import Interval
from transferlab.metrics.seeds import covers_seeds, difference_over_seeds, mean_over_seeds
from transferlab.reporting.labels import ARMS
from transferlab.reporting.run_scores import FinishedRun, NotComparable

NAMED = 6
"""Settings that a note names; the others are counted."""
MANY = 10
"""Differences, from which on some are likely to be shown by chance."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One arm of one way to train, on one domain: its mean over seeds, and its lead."""

    domain: str
    arm: str
    label: str
    """What is compared: a strategy, or a run."""
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    """The score by seed."""
    interval: Interval | None
    """Of the mean."""
    over: str | None = None
    """The label of the reference; None of the reference itself."""
    difference: float | None = None
    difference_interval: Interval | None = None
    covers: str = ""
    """Of what the difference's interval covers other draws: test groups, or seeds too."""
    verdict: str = ""
    """In words; empty for the reference."""

    @property
    def value(self) -> float:
        return fmean(self.values)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What came out, and what has to be known to read it."""

    entries: Sequence[Entry]
    notes: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Way:
    """Runs that differ in nothing but their seeds."""

    label: str
    runs: Sequence[FinishedRun] = field(default_factory=tuple)

    def scores(self, arm: str, domain: str) -> list[DomainScore]:
        """One per seed.

        Raises:
            NotComparable: they were not scored alike, or their stages are gone.
        """
        for run in self.runs[1:]:
            self.runs[0].check_paired(run, arm, domain)
        return [run.score(arm, domain) for run in self.runs]


def compare_runs(
    folders: Sequence[Path],
    *,
    arms: Sequence[str] = (),
    domains: Sequence[str] = (),
    confidence: float = 0.95,
) -> Comparison:
    """Compare finished runs with the first; runs of the same settings are seeds of one way.

    Args:
        folders: directories of runs; what comes first is what the others are measured over.
        arms: only these; empty takes all that a run has.
        domains: only these; empty takes all that a run has.
        confidence: of the intervals, in (0, 1).

    Raises:
        InputError: a directory holds no result, one is named twice, or nothing can be compared.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("a run is named twice; name each run once")
    if len(folders) < 2:
        raise InputError("name at least two runs: one alone is told by transferlab report")
    ways = group_by_settings([FinishedRun.read(folder) for folder in folders])
    entries: list[Entry] = []
    problems: list[str] = []
    for domain, arm in _cells(ways, arms, domains):
        try:
            entries += _compare_cell(ways, arm, domain, confidence)
        except NotComparable as problem:
            problems.append(str(problem))
    if not entries:
        reason = problems[0] if problems else "no arm was scored on the same domain in all of them"
        raise InputError(f"nothing can be compared: {reason}")
    return Comparison(entries=entries, notes=[*problems, *_notes(ways, entries)])


def group_by_settings(runs: Sequence[FinishedRun]) -> list[Way]:
    """Runs of the same settings together, in the order given, each way with a name of its own.

    The same settings with the same seed twice are two ways: they ought to be equal.
    """
    members: list[list[FinishedRun]] = []
    for run in runs:
        fitting = (
            group
            for group in members
            if group[0].settings == run.settings and run.seed not in {one.seed for one in group}
        )
        found = next(fitting, None)
        if found is None:
            members.append([run])
        else:
            found.append(run)
    strategies = [group[0].strategy for group in members]
    names = [group[0].folder.resolve().name for group in members]
    chosen = strategies if len(set(strategies)) == len(members) else names
    if len(set(chosen)) < len(members):
        chosen = [str(group[0].folder) for group in members]
    return [
        Way(label=label, runs=sorted(group, key=lambda one: one.seed))
        for label, group in zip(chosen, members, strict=True)
    ]


def _cells(
    ways: Sequence[Way], arms: Sequence[str], domains: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Domain and arm of what every run has a score of.

    Raises:
        InputError: what is asked for is in none of them.
    """
    runs = [run for way in ways for run in way.runs]
    known_domains = list(dict.fromkeys(name for run in runs for name in run.result["domains"]))
    for what, given, known in (("arm", arms, list(ARMS)), ("domain", domains, known_domains)):
        for name in given:
            if name not in known:
                raise InputError(f"there is no {what} '{name}'; known: {', '.join(known)}")
    for domain in domains or known_domains:
        for arm in arms or ARMS:
            if all(run.has(arm, domain) for run in runs):
                yield domain, arm


def _compare_cell(ways: Sequence[Way], arm: str, domain: str, confidence: float) -> list[Entry]:
    """The reference and every other way; all of them or, with the reason, none."""
    first, *others = ways
    reference = first.scores(arm, domain)
    entries = [_entry(first, arm, domain, reference, confidence)]
    for way in others:
        first.runs[0].check_paired(way.runs[0], arm, domain)
        scores = way.scores(arm, domain)
        alone = _entry(way, arm, domain, scores, confidence)
        entries.append(_with_difference(alone, scores, reference, first.label, confidence))
    return entries


def _entry(
    way: Way, arm: str, domain: str, scores: Sequence[DomainScore], confidence: float
) -> Entry:
    try:
        interval, _ = mean_over_seeds(scores, confidence=confidence)
    except ValueError as error:
        raise NotComparable(f"{domain}, {arm}: {error}") from None
    return Entry(
        domain=domain,
        arm=arm,
        label=way.label,
        seeds=tuple(run.seed for run in way.runs),
        values=tuple(score.value for score in scores),
        interval=interval,
    )


def _with_difference(
    entry: Entry,
    scores: Sequence[DomainScore],
    reference: Sequence[DomainScore],
    over: str,
    confidence: float,
) -> Entry:
    try:
        interval, reason = difference_over_seeds(scores, reference, confidence=confidence)
    except ValueError as error:
        raise NotComparable(f"{entry.domain}, {entry.arm}: {error}") from None
    value = entry.value - fmean(one.value for one in reference)
    fields = {name: getattr(entry, name) for name in ("domain", "arm", "label", "seeds", "values")}
    return Entry(
        **fields,
        interval=entry.interval,
        over=over,
        difference=value,
        difference_interval=interval,
        covers="test groups and seeds" if covers_seeds(scores, reference) else "test groups",
        verdict=verdict(value, interval, reason),
    )


def verdict(value: float, interval: Interval | None, reason: str) -> str:
    """A difference in words, with its figures."""
    if interval is None:
        return f"cannot be said: {value:+.3f}, {reason}"
    figures = f"{value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
    if interval.low > 0:
        return f"ahead by {figures}"
    return f"behind by {figures}" if interval.high < 0 else f"not shown: {figures}"


def _differing(one: FinishedRun, other: FinishedRun) -> list[str]:
    """Settings that are not the same, by dotted path; another strategy differs as a whole."""
    keys = [
        key
        for key in dict.fromkeys([*one.settings, *other.settings])
        if one.settings.get(key) != other.settings.get(key)
    ]
    if one.strategy != other.strategy:
        keys = ["strategy", *(key for key in keys if not key.startswith("strategy"))]
    return keys


def _notes(ways: Sequence[Way], entries: Sequence[Entry]) -> Iterator[str]:
    first, *others = ways
    for way in others:
        differing = _differing(first.runs[0], way.runs[0])
        named = ", ".join(differing[:NAMED])
        more = f" and {len(differing) - NAMED} more" if len(differing) > NAMED else ""
        yield f"{way.label} differs from {first.label} in {named or 'nothing'}{more}"
    measured = [one for one in entries if one.difference_interval is not None]
    if any(one.covers == "test groups" for one in measured):
        yield (
            "intervals are over test groups: they do not say how another training would end; for "
            "that, run each at two seeds or more"
        )
    if len(measured) >= MANY:
        yield (
            f"{len(measured)} differences were looked at: at 95 % one in twenty is shown though "
            "there is none"
        )
