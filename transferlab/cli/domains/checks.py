"""Checking domains, and the report for people."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import groupby
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from transferlab.cli.output.terminal import complain, output, say_json
from transferlab.config.pipeline import BackboneSection, PipelineConfig
from transferlab.core.records import SPLITS
from transferlab.core.text.sanitizers import sanitize_line
from transferlab.domain.catalog import DomainEntry, find_domains
from transferlab.domain.sources.generated import at_most
from transferlab.domain.validation.counts import shorten
from transferlab.domain.validation.domain_check import BAD_ROWS, Ruler, check_stream
from transferlab.domain.validation.findings import CheckReport, Problem, StreamReport
from transferlab.errors import DataError, InputError
from transferlab.metrics.answers import ANSWERS

ALIAS = "in the order of paths"
"""Where messages number files instead of naming them."""
SHOWN = 10
"""Problems of one kind that are shown; --json has them all."""


def check_and_show(
    entries: Sequence[DomainEntry],
    *,
    data_root: Path | None,
    backbone: BackboneSection | None,
    strict: bool = False,
    as_json: bool = False,
    left_out: Collection[str] = (),
) -> Ruler | None:
    """Check domains alone and together, and print what was found.

    Args:
        entries: the domains.
        data_root: folder of the data packs.
        backbone: what samples are measured for; None leaves that out.
        strict: whether warnings count as errors.
        as_json: print JSON.
        left_out: kinds of problems whose rows the run would leave out.

    Returns:
        What samples were measured with.

    Raises:
        InputError: one of them is named twice.
        DataError: they are not fit to be trained on.
    """
    names = [entry.name for entry in entries]
    if len(set(names)) < len(names):
        raise InputError(f"a domain is named twice: {', '.join(names)}")
    ruler = None
    if backbone is not None:
        # Imported when it is asked for: it brings torch.
        from transferlab.pipeline.sample_validation import ruler_of

        ruler = ruler_of(backbone)
    found = check_stream(entries, data_root=data_root, ruler=ruler)
    if as_json:
        record = found.reports[0].to_record() if len(entries) == 1 else found.to_record()
        say_json(record)
    else:
        show_stream(output(), found)
    problems = found.problems if strict else found.errors
    count = sum(one.kind not in left_out for one in problems)
    if count:
        subject = f"domain '{names[0]}' is" if len(names) == 1 else f"{', '.join(names)} are"
        raise DataError(f"{subject} not fit to be trained on: {count} problem(s)")
    return ruler


def check_pipeline_data(config: PipelineConfig, *, domains: Sequence[Path]) -> None:
    """``check_and_show`` of everything that a pipeline names, for its backbone.

    Raises:
        DataError: a run would stop, or its scores would mean little.
    """
    named = [*([config.source] if config.source else []), *config.stream]
    known = find_domains(domains, needed=named)
    most = config.data.max_generated_samples
    ruler = check_and_show(
        [at_most(known[name], most) for name in named],
        data_root=config.data_root,
        backbone=config.backbone,
        left_out=BAD_ROWS if config.data.on_bad_sample == "quarantine" else (),
    )
    free = any(
        ANSWERS[task.kind] == "free"
        for name in named
        for key, task in known[name].config.tasks.items()
        if key in config.data.tasks.get(name, [key])
    )
    if free and ruler is not None and ruler.answer_tokens is not None:
        _show_long_references(config, domains, ruler.answer_tokens)


def _show_long_references(
    config: PipelineConfig, domains: Sequence[Path], tokens_of: Callable[[str], int]
) -> None:
    """A note for each task with references longer than an answer may become."""
    from transferlab.pipeline.answer_lengths import new_token_limits, too_long_references
    from transferlab.pipeline.build import load_domains

    loaded, section = load_domains(config, domains), config.evaluation
    limits = new_token_limits(section, loaded, tokens_of)
    for sentence in too_long_references(section, loaded, limits, tokens_of):
        complain(f"note: {sentence}")


def show_stream(console: Console, found: StreamReport) -> None:
    """The report of each domain, then what two of them share."""
    for report in found.reports:
        show_report(console, report)
    if len(found.reports) < 2:
        return
    console.print(f"across {len(found.reports)} domains")
    _show_problems(console, found.across)
    if not found.across:
        console.print("nothing that one trains on is scored in another")


def show_report(console: Console, report: CheckReport) -> None:
    """What was looked at, then the problems by kind, errors first."""
    console.print(f"domain {report.domain}: {report.rows:,} rows, {report.media:,} files of media")
    _show_counts(console, report)
    _show_problems(console, [*report.errors, *report.warnings])
    if any(ALIAS in problem.where for problem in (*report.errors, *report.warnings)):
        console.print(
            f"which file that is: transferlab domains show {report.domain} --row 'DICOM file 1'",
            soft_wrap=True,
        )
    if report.removed:
        counts = ", ".join(f"{kind} {count:,}" for kind, count in sorted(report.removed.items()))
        console.print(f"removed from texts: {counts}", soft_wrap=True)
    if report.sound:
        console.print("sound: nothing keeps it from being trained on")
    elif {problem.kind for problem in report.errors} <= set(BAD_ROWS):
        console.print(
            "with data.on_bad_sample: quarantine a run leaves these rows out, and says so"
        )


def _show_counts(console: Console, report: CheckReport) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    for split in SPLITS:
        table.add_column(split, justify="right")
    for name, counts in (("samples", report.samples), ("groups", report.groups)):
        table.add_row(name, *(f"{counts.get(split, 0):,}" for split in SPLITS))
    for task, labels in report.labels.items():
        for label, counts in labels.items():
            table.add_row(f"{task}: {shorten(label)}", *(f"{counts[split]:,}" for split in SPLITS))
    console.print(table)


def _show_problems(console: Console, problems: Sequence[Problem]) -> None:
    ordered = sorted(problems, key=lambda one: (one.severity, one.kind))
    for (_, kind), members in groupby(ordered, key=lambda one: (one.severity, one.kind)):
        _show_kind(console, kind, list(members))


def _show_kind(console: Console, kind: str, members: list[Problem]) -> None:
    console.print(f"{members[0].severity}: {kind.replace('_', ' ')} ({len(members):,})")
    for one in members[:SHOWN]:
        console.print(f"  {sanitize_line(f'{one.where}: {one.reason}')}", soft_wrap=True)
    if len(members) > SHOWN:
        console.print(f"  and {len(members) - SHOWN:,} more; --json lists all", soft_wrap=True)
