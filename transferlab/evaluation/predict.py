"""Which test samples are scored, and what the backbone says to them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from transferlab.config.pipeline import EvaluationSection
from transferlab.core.protocols import Backbone
from transferlab.core.records import Prediction, Sample
from transferlab.errors import ModelError


def select_samples(samples: Sequence[Sample], *, limit: int | None) -> tuple[Sample, ...]:
    """At most ``limit`` samples of each task, in their first order.

    Groups are ranked by a hash of their id and taken whole from the top until the limit; only the
    last one may be cut. The choice depends on nothing else: not on the samples' order, so every arm
    is scored on the same ones; not on a seed, so several seeds are too. A larger limit contains a
    smaller one, and tasks share their groups.

    Args:
        samples: of one domain and split.
        limit: samples per task; None keeps all.
    """
    if limit is None:
        return tuple(samples)
    by_task: dict[str, list[Sample]] = {}
    for sample in samples:
        by_task.setdefault(sample.task, []).append(sample)
    kept: set[tuple[str, str]] = set()
    for task, members in by_task.items():
        ranked = sorted(members, key=lambda one: (_rank(one.group or one.id), _rank(one.id)))
        kept.update((task, sample.id) for sample in ranked[:limit])
    return tuple(sample for sample in samples if (sample.task, sample.id) in kept)


def predict(
    backbone: Backbone, samples: Sequence[Sample], section: EvaluationSection
) -> list[Prediction]:
    """Answers in the order of ``samples``: the likeliest choice where there are choices, else
    generated text.

    Raises:
        ModelError: the backbone answered for other samples than it was asked about, or a closed
            sample with something that is none of its choices.
    """
    closed = [sample for sample in samples if sample.closed]
    free = [sample for sample in samples if not sample.closed]
    answers: list[Prediction] = []
    if closed:
        answers += backbone.score_choices(closed, batch_samples=section.batch_samples)
    if free:
        answers += backbone.generate(
            free, batch_samples=section.batch_samples, max_new_tokens=section.max_new_tokens
        )
    asked = [_key(sample) for sample in [*closed, *free]]
    if [_key(answer.sample) for answer in answers] != asked:
        raise ModelError(
            f"backbone '{backbone.name}' was asked about {len(asked)} samples and did not answer "
            "exactly these in their order; its score_choices or generate breaks the contract"
        )
    for answer in answers:
        if answer.sample.closed and answer.text not in answer.sample.choices:
            raise ModelError(
                f"backbone '{backbone.name}' answered sample '{answer.sample.id}' with a text that "
                "is none of its choices; its score_choices breaks the contract"
            )
    by_key = dict(zip(asked, answers, strict=True))
    return [by_key[_key(sample)] for sample in samples]


def _key(sample: Sample) -> tuple[str, str]:
    return sample.task, sample.id


def _rank(name: str) -> bytes:
    # Salted, so that the order is not the one by which training samples are capped.
    return hashlib.sha256(f"evaluation:{name}".encode()).digest()
