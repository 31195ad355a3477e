"""Everything that can be wrong with a ``strategy:`` list, found before anything starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

from pydantic import ValidationError

from transferlab.config.pipeline import PipelineConfig, StrategySpec
from transferlab.config.problems import dotted, explain
from transferlab.continual.options.base import Needs, StrategyOptions
from transferlab.continual.options.registry import OPTIONS
from transferlab.continual.options.unsupported import EXCLUDED
from transferlab.core.registry import did_you_mean
from transferlab.errors import InputError


def check_strategies(
    specs: Sequence[StrategySpec], pipeline: PipelineConfig | None = None
) -> list[str]:
    """Every problem of a ``strategy:`` list, each under its dotted path; empty when it is sound.

    Args:
        specs: the list.
        pipeline: what the strategies are to fit to; None looks at the list alone.
    """
    if not specs:
        return ["strategy: the list is empty; write 'naive' to train without protection"]
    problems = [problem for spec in specs for problem in _problems_of(spec)]
    counts = Counter(spec.name for spec in specs)
    problems += [
        f"strategy: '{name}' is listed {count} times; keep one"
        for name, count in counts.items()
        if count > 1
    ]
    problems += [
        f"strategy: '{name}' means no protection and cannot be combined with "
        f"{', '.join(other for other in counts if other != name)}; remove one of them"
        for name in counts
        if name in OPTIONS and OPTIONS[name].needs.alone and len(counts) > 1
    ]
    known = [name for name in counts if name in OPTIONS]
    for first, second in combinations(known, 2):
        problems += _clashes(first, OPTIONS[first].needs, second, OPTIONS[second].needs)
    if pipeline is not None:
        problems += [
            f"strategy.{spec.name}{'.' if _names_an_option(spec.name, misfit) else ': '}{misfit}"
            for spec in specs
            if not list(_problems_of(spec))
            for misfit in read_options(spec).misfits(pipeline)
        ]
        problems += [
            f"strategy.{name}: answers each sample with one of several adapters, so the last one "
            "is not what is scored; set export: [], and let 'transferlab export RUN' write each "
            "domain's"
            for name in known
            if pipeline.export and OPTIONS[name].needs.routes
        ]
    return problems


def read_options(spec: StrategySpec) -> StrategyOptions:
    """The options of one entry, with defaults filled in.

    Raises:
        InputError: an unknown strategy or option, or a value out of range.
    """
    problems = list(_problems_of(spec))
    if problems:
        raise InputError("; ".join(problems))
    return OPTIONS[spec.name].model_validate(spec.options)


def _problems_of(spec: StrategySpec) -> Iterator[str]:
    if spec.name not in OPTIONS:
        if spec.name in EXCLUDED:
            yield f"strategy: '{spec.name}' is not offered: {EXCLUDED[spec.name]}"
            return
        known = sorted(OPTIONS)
        hint = did_you_mean(spec.name, known)
        yield f"strategy: there is no strategy '{spec.name}'.{hint} Known: {', '.join(known)}."
        return
    model = OPTIONS[spec.name]
    try:
        model.model_validate(spec.options, strict=True)
    except ValidationError as error:
        for found in explain(error.errors(), model=model, tree=spec.options):
            yield f"strategy.{dotted((spec.name, *found.path))}: {found.message}"


def _names_an_option(name: str, sentence: str) -> bool:
    """Whether a sentence names one of the strategy's options before its first colon."""
    return sentence.partition(":")[0] in OPTIONS[name].model_fields


def _clashes(first: str, one: Needs, second: str, other: Needs) -> Iterator[str]:
    """Why two strategies, ``first`` listed before ``second``, cannot work in one run."""
    pair = f"strategy: '{first}' and '{second}'"
    if one.chooses_batches and other.chooses_batches:
        yield f"{pair} both decide which samples a step has; keep one"
    if one.replaces_loss and other.replaces_loss:
        yield f"{pair} both replace the loss of new samples; keep one"
    if one.projects_gradient and other.projects_gradient:
        yield f"{pair} both project the gradient, and the second breaks what the first ensured"
    elif one.projects_gradient and other.adds_gradient:
        yield (
            f"strategy: '{first}' projects the gradient and '{second}' would add to it afterwards; "
            f"list '{second}' before '{first}'"
        )
    yield from _clashes_over_parameters(first, one, second, other)


def _clashes_over_parameters(first: str, one: Needs, second: str, other: Needs) -> Iterator[str]:
    if all(needs.moves_parameters or needs.moves_afterwards for needs in (one, other)):
        yield (
            f"strategy: '{first}' and '{second}' both put values of their own into the "
            "parameters; keep one"
        )
    if one.anchors and other.moves_afterwards:
        yield (
            f"strategy: '{second}' changes the parameters after a domain, and '{first}' would "
            f"have looked at them before that; list '{second}' before '{first}'"
        )
    for mover, moves, anchored, holds in (
        (first, one.moves_parameters, second, other.anchors),
        (second, other.moves_parameters, first, one.anchors),
    ):
        if moves and holds:
            yield (
                f"strategy: '{mover}' puts the parameters {moves}, so that '{anchored}' would "
                "hold them to values that are no longer there; remove one of them"
            )
