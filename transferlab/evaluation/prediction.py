"""Which test samples are scored, and what the backbone says to them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from transferlab.config.pipeline import EvaluationSection
from transferlab.core.protocols import Backbone
from transferlab.core.records import DomainData, Prediction, Sample, SplitName
from transferlab.errors import DataError, ModelError
from transferlab.metrics.retrieval import distinct, rank_of

NEW_TOKENS = 48
"""Of an answer at most, where there is no training reference to tell from."""


def select_samples(samples: Sequence[Sample], *, limit: int | None) -> tuple[Sample, ...]:
    """At most ``limit`` samples of each task, in their first order.

    They are drawn from all groups, from each as many as its share of the split (systematic sampling
    within strata, each begun at a place of its own): few patients with many pictures would have
    another score, and no interval. The choice goes by hashes of groups and ids alone: not by the
    samples' order, so every arm is scored on the same ones; not by a seed, so several seeds are
    too. A larger limit contains a smaller one.

    Args:
        samples: of one domain and split.
        limit: samples per task; None keeps all.
    """
    if limit is None:
        return tuple(samples)
    by_task: dict[str, list[Sample]] = {}
    for sample in samples:
        by_task.setdefault(sample.task, []).append(sample)
    keys: set[tuple[str, str]] = set()
    for task, members in by_task.items():
        ranked = sorted(_quantiles(members), key=lambda pair: pair[0])
        keys.update((task, sample.id) for _, sample in ranked[:limit])
    return tuple(sample for sample in samples if (sample.task, sample.id) in keys)


def _quantiles(samples: Sequence[Sample]) -> Iterator[tuple[tuple[float, bytes], Sample]]:
    """Each sample with where it stands in its group, in [0, 1), and a hash that decides ties."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.group or sample.id, []).append(sample)
    for group, members in groups.items():
        begin = int.from_bytes(_rank(group)[:6], "big") / 2**48
        for number, sample in enumerate(sorted(members, key=lambda one: _rank(one.id))):
            yield ((number + begin) / len(members), _rank(sample.id)), sample


def candidates_of(data: DomainData, split: SplitName) -> dict[str, tuple[str, ...]]:
    """By task of kind retrieve: all distinct answers of the split, sorted.

    They are those of the whole split, also where fewer samples are asked, so that the limit on test
    samples does not make the task easier.

    Raises:
        DataError: there is only one, so that there is nothing to find.
    """
    answers: dict[str, list[str]] = {}
    for sample in data.splits[split]:
        if sample.kind == "retrieve":
            answers.setdefault(sample.task, []).append(sample.answer)
    for task, given in answers.items():
        if len(set(given)) < 2:
            raise DataError(
                f"task '{task}' of '{data.name}': all {len(given)} samples of the {split} split "
                "have the same answer, so that there is nothing to find among; give the split more "
                "groups or remove the task from domain.yaml"
            )
    return {task: distinct(given) for task, given in answers.items()}


def predict(
    backbone: Backbone,
    samples: Sequence[Sample],
    section: EvaluationSection,
    *,
    candidates: Mapping[str, Sequence[str]] = {},
) -> list[Prediction]:
    """Answers in the order of ``samples``: the likeliest choice where there are choices, the best
    candidate where the task is to retrieve, else generated text.

    Args:
        backbone: answers.
        samples: of one domain.
        section: limits and batch sizes.
        candidates: by task of kind retrieve, as ``candidates_of`` has them.

    Raises:
        ModelError: the backbone answered for other samples than it was asked about, or a closed
            sample with something that is none of its choices.
    """
    closed = [sample for sample in samples if sample.closed]
    sought = [sample for sample in samples if sample.kind == "retrieve"]
    free = [one for one in samples if not one.closed and one.kind != "retrieve"]
    answers: list[Prediction] = []
    if closed:
        answers += backbone.score_choices(closed, batch_samples=section.batch_samples)
    if free:
        answers += backbone.generate(
            free,
            batch_samples=section.batch_samples,
            max_new_tokens=section.max_new_tokens or NEW_TOKENS,
        )
    expected = [_key(sample) for sample in [*closed, *free]]
    if [_key(answer.sample) for answer in answers] != expected:
        raise ModelError(
            f"backbone '{backbone.name}' was asked about {len(expected)} samples and did not "
            "answer exactly these in their order; its score_choices or generate breaks the contract"
        )
    for answer in answers:
        if answer.sample.closed and answer.text not in answer.sample.choices:
            raise ModelError(
                f"backbone '{backbone.name}' answered sample '{answer.sample.id}' with a text that "
                "is none of its choices; its score_choices breaks the contract"
            )
    for task in dict.fromkeys(sample.task for sample in sought):
        of_task = [sample for sample in sought if sample.task == task]
        answers += _retrieve(backbone, of_task, candidates[task], section)
    by_key = {_key(answer.sample): answer for answer in answers}
    return [by_key[_key(sample)] for sample in samples]


def _retrieve(
    backbone: Backbone,
    samples: Sequence[Sample],
    candidates: Sequence[str],
    section: EvaluationSection,
) -> list[Prediction]:
    scores = backbone.score_candidates(samples, candidates, batch_samples=section.batch_samples)
    if scores.shape != (len(samples), len(candidates)):
        raise ModelError(
            f"backbone '{backbone.name}' was asked to compare {len(samples)} samples with "
            f"{len(candidates)} candidates and gave {scores.shape} scores; its score_candidates "
            "breaks the contract"
        )
    return rank_answers(samples, candidates, scores)


def rank_answers(
    samples: Sequence[Sample], candidates: Sequence[str], scores: np.ndarray
) -> list[Prediction]:
    """Where each sample's own answer stands among the candidates, of (N, C) scores."""
    position = {answer: at for at, answer in enumerate(candidates)}
    return [
        Prediction(
            sample=sample,
            text=candidates[int(row.argmax())],
            log_likelihoods=tuple(row.tolist()),
            rank=rank_of(row, position[sample.answer]),
        )
        for sample, row in zip(samples, scores, strict=True)
    ]


def _key(sample: Sample) -> tuple[str, str]:
    return sample.task, sample.id


def _rank(name: str) -> bytes:
    # Salted, so that the order is not the one by which training samples are capped.
    return hashlib.sha256(f"evaluation:{name}".encode()).digest()
