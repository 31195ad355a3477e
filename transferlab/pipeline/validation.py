"""What can be wrong with a pipeline beyond its schema, found before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from transferlab.backbone.base.model_type import CONTRASTIVE, cannot_write, known_type
from transferlab.config.backbone import EMBEDDED
from transferlab.config.pipeline import PipelineConfig
from transferlab.config.yaml_sections import load_yaml, locate_all
from transferlab.continual.options.compatibility import check_strategies
from transferlab.continual.options.registry import OPTIONS
from transferlab.core.registry import did_you_mean
from transferlab.domain.base.source_kinds import SOURCES
from transferlab.domain.catalog import DomainEntry, find_domains
from transferlab.domain.rows.code_trust import check_named_code
from transferlab.errors import DataError, InputError, UnknownName
from transferlab.export.exporter import EXPORTERS, Exporter
from transferlab.metrics.answers import ANSWERS, check_metrics
from transferlab.metrics.pool import SIMILARITIES

NAMED = 20
"""Of very many names, those that sentences give; the others are counted."""


def load_pipeline(
    path: Path, *, overrides: Sequence[str] = (), domains: Sequence[Path] = ()
) -> PipelineConfig:
    """A pipeline that fits the domains, strategies and metrics that there are.

    Args:
        path: its YAML file.
        overrides: as ``--set`` takes them.
        domains: folders of domains beside the usual search path.

    Raises:
        InputError: with every problem, each under its file and line or its --set.
    """
    config = load_yaml(path, PipelineConfig, overrides=overrides)
    problems = locate_all(path, check(config, domains=domains), overrides=overrides)
    if len(problems) == 1:
        raise InputError(problems[0])
    if problems:
        raise InputError(f"{len(problems)} problems in {path}:\n  " + "\n  ".join(problems))
    return config


def check(
    config: PipelineConfig,
    *,
    domains: Sequence[Path] = (),
    entries: Mapping[str, DomainEntry] | None = None,
) -> list[str]:
    """Every problem with the domains, metrics and strategies that the pipeline names; torch-free.

    Args:
        config: a pipeline whose schema is sound.
        domains: folders of domains beside the usual search path.
        entries: what ``find_domains`` gave for this pipeline's domains; None looks for them.

    Returns:
        One sentence per problem; empty when the pipeline can start.

    Raises:
        InputError: the domain.yaml of one of them is broken, or two domains share a name.
    """
    named = [("source", config.source)] if config.source else []
    named += [(f"stream.{index}", name) for index, name in enumerate(config.stream)]
    if entries is None:
        entries = find_domains(domains, needed=[name for _, name in named])
    problems = []
    for path, name in named:
        if name not in entries:
            known = sorted(entries)
            problems.append(
                f"{path}: there is no domain '{name}'.{did_you_mean(name, known)} "
                f"Known: {', '.join(known)}."
            )
            continue
        try:
            check_named_code(entries[name])
        except DataError as error:
            problems.append(str(error))
            continue
        problems += _check_domain(config, entries[name])
    problems += _check_tasks(config, entries)
    problems += _check_registered(config)
    return problems + check_strategies(config.strategy, config)


def notes(config: PipelineConfig, *, domains: Sequence[Path] = ()) -> list[str]:
    """What is sound and yet not what its numbers seem to say, one sentence each; torch-free.

    Args:
        config: a pipeline in which ``check`` found nothing.
        domains: folders of domains beside the usual search path.
    """
    whole, pieces = config.train.batch_samples, config.train.accumulation_steps
    if pieces == 1 or known_type(config.backbone) not in CONTRASTIVE:
        return []
    entries = find_domains(domains, needed=config.stream)
    ranked = [
        f"'{task}' of '{name}'"
        for name in config.stream
        for task, section in entries[name].config.tasks.items()
        if ANSWERS[section.kind] == "ranked"
        and task in config.data.tasks.get(name, entries[name].config.tasks)
    ]
    if not ranked:
        return []
    return [
        f"train.accumulation_steps: '{config.backbone.model}' learns a task without choices "
        f"({', '.join(ranked)}) by telling an answer from the others that go through it together: "
        f"{whole // pieces - 1} at most with batch_samples {whole} in {pieces} micro-batches, and "
        f"{whole - 1} with accumulation_steps: 1"
    ]


def _check_registered(config: PipelineConfig) -> list[str]:
    """Measures and export formats that do not exist, and formats that the model has none of."""
    problems = []
    for path, registry, names in (
        ("similarity.measures", SIMILARITIES, config.similarity.measures or []),
        ("export", EXPORTERS, config.export),
    ):
        for name in names:
            try:
                registry.check(name)
            except UnknownName as error:
                problems.append(f"{path}: {error}")
    if known_type(config.backbone) in CONTRASTIVE:
        problems += [
            f"strategy.{spec.name}: needs a backbone that writes answers token by token, and "
            f"'{config.backbone.model}' compares pictures with given ones; use replay, ewc or l2"
            for spec in config.strategy
            if spec.name in OPTIONS and OPTIONS[spec.name].needs.writes
        ]
    for name in config.export:
        if name in EXPORTERS:
            exporter: Exporter = EXPORTERS.get(name)()
            problems += [f"export: {misfit}" for misfit in exporter.misfits(config)]
    return problems


def _check_source_options(entry: DomainEntry) -> list[str]:
    """What is wrong with ``source.options``, which needs no data to be seen."""
    try:
        SOURCES.get(entry.config.source.kind).read_options(entry)
    except InputError as error:
        return [f"domain '{entry.name}': {error}"]
    return []


def _check_domain(config: PipelineConfig, entry: DomainEntry) -> list[str]:
    """What the backbone cannot hear or answer, and metrics that do not fit their tasks."""
    name, compares = entry.config.name, known_type(config.backbone) in CONTRASTIVE
    used = config.data.tasks.get(name, entry.config.tasks)
    tasks = {task: section for task, section in entry.config.tasks.items() if task in used}
    return [
        *_check_source_options(entry),
        *(
            f"domain '{name}': source.media.{medium}.sound: the embedded backbone does not listen; "
            "set it to false, or choose one that does (docs/backbones.md)"
            for medium, section in entry.config.source.media.items()
            if section.sound and config.backbone.model == EMBEDDED
        ),
        *(
            f"domain '{name}': tasks.{task}: {cannot_write(config.backbone.model, kind=one.kind)}"
            for task, one in tasks.items()
            if compares and ANSWERS[one.kind] == "free"
        ),
        *(
            f"domain '{name}': tasks.{task}.metrics: {problem}"
            for task, one in tasks.items()
            for problem in check_metrics(one.kind, one.metrics)
        ),
    ]


def _check_tasks(config: PipelineConfig, entries: Mapping[str, DomainEntry]) -> list[str]:
    """What ``data.tasks`` names and is not there."""
    used = [*config.stream, *([config.source] if config.source else [])]
    problems = []
    for domain, tasks in config.data.tasks.items():
        if domain in used and domain in entries:
            known = list(entries[domain].config.tasks)
            problems += [
                f"data.tasks.{domain}: there is no task '{task}'.{did_you_mean(task, known)} "
                f"Known: {', '.join(known)}."
                for task in tasks
                if task not in known
            ]
    unused = [domain for domain in config.data.tasks if domain not in set(used)]
    listed = ", ".join(used[:NAMED]) + (", ..." if len(used) > NAMED else "")
    problems += [
        f"data.tasks: the pipeline does not use the domain '{domain}'."
        f"{did_you_mean(domain, used)} It uses: {listed}."
        for domain in unused[:NAMED]
    ]
    if len(unused) > NAMED:
        problems.append(f"data.tasks: nor {len(unused) - NAMED} other domains that it names")
    return problems
