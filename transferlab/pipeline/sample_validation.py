"""What the backbone cannot take, found before anything is trained: refused, or left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count

from transferlab.backbone.base.model_type import cannot_write
from transferlab.backbone.loader import load_backbone
from transferlab.config.backbone import BackboneSection
from transferlab.core.events import Warned, stage_events
from transferlab.core.protocols import Backbone
from transferlab.core.records import DomainData, Quarantined, Sample, SplitName
from transferlab.domain.base.media_error import UnreadableMedium
from transferlab.domain.loader import NEEDED_BY_TASKS
from transferlab.domain.media.audio import decode_audio
from transferlab.domain.media.decoder import decode
from transferlab.domain.validation.domain_check import Ruler
from transferlab.errors import DataError, InputError
from transferlab.evaluation.prediction import candidates_of, select_samples
from transferlab.evaluation.scoring import calibration_samples
from transferlab.metrics.answers import ANSWERS
from transferlab.pipeline.answer_lengths import new_token_limits, too_long_references
from transferlab.pipeline.build import Parts

NAMED = 20
"""Samples that a refusal names; the others are counted."""


def validate_samples(parts: Parts, backbone: Backbone) -> Parts:
    """Decode and measure every sample that is trained on or scored now, not in hour three.

    Returns:
        The same parts without the samples that the backbone cannot take, which are added to their
        domain's ``quarantined``; with ``on_bad_sample: stop`` there are none.

    Raises:
        DataError: there are some and the pipeline says ``stop``, or a task has none left.
    """
    with stage_events(parts.listener, "reading and measuring the samples") as progress:
        total = sum(
            len({one.id for one in (*parts.train[name], *_scored(parts, name, without=()))})
            for name in parts.domains
        )
        done = count(1)
        rejected = {
            name: _rejected_samples(parts, backbone, name, lambda: progress(next(done), total))
            for name in parts.domains
        }
    every = [one for found in rejected.values() for one in found.values()]
    if not every:
        return parts
    if parts.config.data.on_bad_sample == "stop":
        raise DataError(_refusal(every))
    domains = {
        name: dataclasses.replace(
            _without(data, rejected[name]),
            quarantined=(*data.quarantined, *rejected[name].values()),
        )
        for name, data in parts.domains.items()
    }
    train = {
        name: tuple(one for one in samples if one.id not in rejected[name])
        for name, samples in parts.train.items()
    }
    for name in rejected:
        _require_some(domains[name], train[name])
    return dataclasses.replace(parts, domains=domains, train=train)


def limit_answers(parts: Parts, backbone: Backbone) -> Parts:
    """Say which references are longer than any answer may become.

    Returns:
        The same parts with the limit of each domain, for a backbone that writes.
    """
    if not backbone.writes:
        return parts
    section, tokens_of = parts.config.evaluation, backbone.answer_tokens
    limits = new_token_limits(section, parts.domains, tokens_of)
    for sentence in too_long_references(section, parts.domains, limits, tokens_of):
        parts.listener(Warned(text=sentence))
    return dataclasses.replace(parts, new_token_limits=limits)


def _rejected_samples(
    parts: Parts, backbone: Backbone, name: str, advance: Callable[[], None]
) -> dict[str, Quarantined]:
    """By sample id; what neither trains nor scores is not looked at.

    Args:
        advance: called for every sample.
    """
    found: dict[str, Quarantined] = {}
    examined: set[str] = set()
    scored = _scored(parts, name, without=found)
    # What is scored in the place of those that are left out is looked at too.
    while unseen := [one for one in (*parts.train[name], *scored) if one.id not in examined]:
        for sample in unseen:
            examined.add(sample.id)
            advance()
            reason = _rejection(backbone, sample)
            if reason is not None:
                found[sample.id] = Quarantined(domain=name, where=_where(sample), reason=reason)
        if parts.config.data.on_bad_sample == "stop":
            break
        scored = _scored(parts, name, without=found)
    return found


def _scored(parts: Parts, name: str, *, without: Collection[str]) -> list[Sample]:
    """The samples that are scored, those whose answers are candidates, and those that a rule of
    scoring is chosen on."""
    section, trained = parts.config.evaluation, name == parts.config.source
    data = _without(parts.domains[name], without)
    split = data.splits[section.split]
    return [
        *select_samples(split, limit=section.max_test_samples),
        *(one for one in split if ANSWERS[one.kind] == "ranked"),
        *calibration_samples(data, section, trained=trained),
    ]


def _rejection(backbone: Backbone, sample: Sample) -> str | None:
    """Why the backbone cannot take a sample."""
    try:
        tokens = backbone.length_tokens(sample)
    except UnreadableMedium as error:
        return f"task '{sample.task}': {error.reason}"
    except DataError as error:
        return f"task '{sample.task}': {error}"
    limit = backbone.max_length_tokens
    if tokens <= limit:
        return None
    return (
        f"task '{sample.task}': {tokens} tokens with media and answer, more than "
        f"backbone.max_length_tokens ({limit})"
    )


def _where(sample: Sample) -> str:
    """File and row, which travel with media; a sample without them has its id."""
    return sample.media[0].alias if sample.media else f"sample '{sample.id}'"


def _refusal(rejected: Sequence[Quarantined]) -> str:
    named = "".join(f"\n  {one.domain}: {one.where}: {one.reason}" for one in rejected[:NAMED])
    more = f"\n  and {len(rejected) - NAMED} more" if len(rejected) > NAMED else ""
    return (
        f"{len(rejected)} sample(s) cannot be given to the backbone; shorten them, show fewer "
        "frames, raise backbone.max_length_tokens, or set data.on_bad_sample=quarantine to leave "
        f"them out and report them:{named}{more}"
    )


def _without(data: DomainData, rejected: Collection[str]) -> DomainData:
    splits = {
        split_name: tuple(one for one in samples if one.id not in rejected)
        for split_name, samples in data.splits.items()
    }
    return dataclasses.replace(data, splits=splits)


def _require_some(data: DomainData, train: Sequence[Sample]) -> None:
    left = {"train": train, "test": data.splits["test"]}
    for task in data.tasks:
        for split_name in NEEDED_BY_TASKS:
            if not any(one.task == task for one in left[split_name]):
                raise DataError(
                    f"domain '{data.name}': the backbone can take no sample of task '{task}' in "
                    f"{split_name}; raise backbone.max_length_tokens, or leave the task out"
                )


def ruler_of(section: BackboneSection) -> Ruler:
    """What ``check_domain`` measures samples with; the backbone's weights are not used.

    Raises:
        ModelError: there is no such backbone.
    """
    plain = section.model_copy(update={"adapter": None, "device": "cpu"})
    backbone = load_backbone(plain, decode=decode, decode_audio=decode_audio, seed=0)
    return Ruler(
        length_tokens=backbone.length_tokens,
        limit_tokens=section.max_length_tokens,
        answer_tokens=backbone.answer_tokens if backbone.writes else None,
    )


def check_answerable(
    backbone: Backbone, domains: Mapping[str, DomainData], *, split: SplitName
) -> None:
    """Stop where a task asks for what the backbone cannot give.

    ``check`` has refused tasks without choices already where the kind of model was known then; a
    model that had to be downloaded first is known only now.

    Args:
        backbone: loaded.
        domains: all that are scored.
        split: the one that is scored.

    Raises:
        InputError: a backbone that only compares has to write, or one that writes has to find an
            answer among too many.
        DataError: there is only one answer to find.
    """
    for data in domains.values():
        kinds = {sample.task: sample.kind for sample in data.splits[split]}
        for task, kind in kinds.items():
            if ANSWERS[kind] == "free" and not backbone.writes:
                reason = cannot_write(backbone.name, kind=kind)
                raise InputError(f"domain '{data.name}': tasks.{task}: {reason}")
        most = backbone.max_candidates
        for task, candidates in candidates_of(data, split).items():
            if most is not None and len(candidates) > most:
                raise InputError(
                    f"domain '{data.name}': tasks.{task}: there are {len(candidates)} distinct "
                    f"answers in the {split} split to find one among, and a backbone that writes "
                    f"must read each of them with each sample, so that {most} is the limit; make "
                    "the split smaller, leave the task out (data.tasks), or choose CLIP or SigLIP"
                )
