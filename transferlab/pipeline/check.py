"""What can be wrong with a pipeline beyond its schema, found before anything heavy is imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transferlab.backbone.kind import CONTRASTIVE, cannot_write, known_type
from transferlab.config.backbone import EMBEDDED
from transferlab.config.pipeline import PipelineConfig
from transferlab.continual.catalogue.check import check_strategies
from transferlab.core.registry import did_you_mean
from transferlab.domain.catalogue import find_domains
from transferlab.metrics.answers import ANSWERS, check_metrics


def check(config: PipelineConfig, *, domains: Sequence[Path] = ()) -> list[str]:
    """Every problem with the domains, metrics and strategies that the pipeline names; torch-free.

    Args:
        config: a pipeline whose schema is sound.
        domains: folders of domains beside the usual search path.

    Returns:
        One sentence per problem; empty when the pipeline can start.

    Raises:
        InputError: a domain.yaml is broken, or two domains share a name.
    """
    entries = find_domains(domains)
    problems = []
    compares = known_type(config.backbone) in CONTRASTIVE
    named = [("source", config.source)] if config.source else []
    named += [(f"stream.{index}", name) for index, name in enumerate(config.stream)]
    for path, name in named:
        if name not in entries:
            known = sorted(entries)
            problems.append(
                f"{path}: there is no domain '{name}'.{did_you_mean(name, known)} "
                f"Known: {', '.join(known)}."
            )
            continue
        problems += [
            f"domain '{name}': source.media.{medium}.sound: the embedded backbone does not listen; "
            "set it to false, or choose one that does (docs/backbones.md)"
            for medium, section in entries[name].config.source.media.items()
            if section.sound and config.backbone.model == EMBEDDED
        ]
        problems += [
            f"domain '{name}': tasks.{task}: {cannot_write(config.backbone.model, kind=one.kind)}"
            for task, one in entries[name].config.tasks.items()
            if compares and ANSWERS[one.kind] == "free"
        ]
        for task, section in entries[name].config.tasks.items():
            problems += [
                f"domain '{name}': tasks.{task}.metrics: {problem}"
                for problem in check_metrics(section.kind, section.metrics)
            ]
    return problems + check_strategies(config.strategy, config)
