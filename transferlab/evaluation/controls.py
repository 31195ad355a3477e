"""What a score must beat before it means that the model has understood something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from transferlab.config.pipeline import EvaluationSection
from transferlab.core.protocols import Backbone
from transferlab.core.records import Decode, DomainData, Prediction, Sample
from transferlab.evaluation.pixel_classifier import PixelVectors, predict_from_pixels
from transferlab.evaluation.prediction import candidates_of, predict
from transferlab.evaluation.scoring import evaluated_samples, metrics_of, outcomes_of
from transferlab.metrics.answers import measure
from transferlab.metrics.retrieval import chance, rank_of


@dataclass(frozen=True, kw_only=True)
class Controls:
    """Scores of one task without understanding, in the task's primary metric and on the samples on
    which the model is scored. None where a control does not apply; ``reasons`` says why."""

    task: str
    metric: str
    closed: bool
    """Whether the task has choices."""
    candidates: int | None = None
    """Retrieval: how many answers there are to choose among."""
    chance: float | None = None
    """Retrieval: the candidates in any order."""
    majority: float | None = None
    """Closed: always the most frequent training answer among the sample's choices."""
    no_image: float | None = None
    """Closed and retrieval: the same model, asked the same question without its media."""
    pixels: float | None = None
    """Closed: logistic regression on 20 principal components of the 32x32 grey picture."""
    frequent_answer: float | None = None
    """Free text: always the most frequent training answer. Retrieval: the candidates in the order
    of how often training gave them as answers."""
    copied_answer: float | None = None
    """Free text: the answer of a random training sample, drawn anew for each test sample."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """By control: why it has no value."""


def score_controls(
    backbone: Backbone,
    data: DomainData,
    train: Sequence[Sample],
    *,
    section: EvaluationSection,
    decode: Decode,
    seed: int,
) -> dict[str, Controls]:
    """The controls of every task of a domain, on the samples that ``score_domain`` scores.

    Args:
        backbone: the model whose score the controls stand beside.
        data: the domain.
        train: the training samples that the model saw; the controls learn from the same.
        section: limits and batch sizes.
        decode: turns media into frames.
        seed: of the copied answers.

    Returns:
        By task name, in the domain's order.

    Raises:
        DataError: a task has no test samples, or a medium cannot be decoded.
    """
    vectors = PixelVectors(decode)
    test = evaluated_samples(data, section, split=section.split)
    candidates = candidates_of(data, section.split)
    found = {}
    for task in data.tasks:
        asked = [sample for sample in test if sample.task == task]
        learned = [sample for sample in train if sample.task == task]
        controls = Controls(task=task, metric=metrics_of(data, task)[0], closed=asked[0].closed)
        if task in candidates:
            controls = _ranked(controls, learned, asked, candidates[task])
        else:
            controls = _learned(controls, learned, asked, vectors=vectors, seed=seed)
        if controls.closed or task in candidates:
            controls = _with_no_image(controls, backbone, asked, section, candidates)
        found[task] = controls
    return found


def _learned(
    controls: Controls,
    train: Sequence[Sample],
    test: Sequence[Sample],
    *,
    vectors: PixelVectors,
    seed: int,
) -> Controls:
    if not train:
        return _without_training(controls)
    if controls.closed:
        return _closed(controls, train, test, vectors)
    return _free(controls, train, test, seed)


def _without_training(controls: Controls) -> Controls:
    names = ("majority", "pixels") if controls.closed else ("frequent_answer", "copied_answer")
    reason = "the model saw no training samples of this task"
    return replace(controls, reasons=dict.fromkeys(names, reason))


def _closed(
    controls: Controls, train: Sequence[Sample], test: Sequence[Sample], vectors: PixelVectors
) -> Controls:
    guesses = [_majority(train, sample) for sample in test]
    controls = replace(controls, majority=_value(guesses, controls.metric))
    fitted = predict_from_pixels(train, test, vectors)
    if isinstance(fitted, str):
        return replace(controls, reasons={**controls.reasons, "pixels": fitted})
    return replace(controls, pixels=_value(fitted, controls.metric))


def _majority(train: Sequence[Sample], sample: Sample) -> Prediction:
    # Choices that the training answers never name count zero; the first of equals is taken.
    seen = Counter(one.answer for one in train)
    guess = max(sample.choices, key=lambda choice: seen[choice])
    return Prediction(sample=sample, text=guess, log_likelihoods=(0.0,) * len(sample.choices))


def _with_no_image(
    controls: Controls,
    backbone: Backbone,
    test: Sequence[Sample],
    section: EvaluationSection,
    candidates: Mapping[str, Sequence[str]],
) -> Controls:
    if not any(sample.media for sample in test):
        reasons = {**controls.reasons, "no_image": "the task's samples have no media"}
        return replace(controls, reasons=reasons)
    unseen = [sample.without_media() for sample in test]
    blind = predict(backbone, unseen, section, candidates=candidates)
    return replace(controls, no_image=_value(blind, controls.metric))


def _ranked(
    controls: Controls,
    train: Sequence[Sample],
    test: Sequence[Sample],
    candidates: Sequence[str],
) -> Controls:
    of_chance = [
        Prediction(sample=one, text=candidates[0], place=chance(len(candidates))) for one in test
    ]
    controls = replace(
        controls, candidates=len(candidates), chance=_value(of_chance, controls.metric)
    )
    if not train:
        reason = "the model saw no training samples of this task"
        return replace(controls, reasons={"frequent_answer": reason})
    seen = Counter(one.answer for one in train)
    often = np.array([seen[answer] for answer in candidates])
    first = candidates[int(often.argmax())]
    position = {answer: at for at, answer in enumerate(candidates)}
    guesses = [
        Prediction(sample=one, text=first, place=rank_of(often, position[one.answer]))
        for one in test
    ]
    return replace(controls, frequent_answer=_value(guesses, controls.metric))


def _free(
    controls: Controls, train: Sequence[Sample], test: Sequence[Sample], seed: int
) -> Controls:
    answers = [sample.answer for sample in train]
    frequent = Counter(answers).most_common(1)[0][0]
    drawn = np.random.default_rng(seed).integers(len(answers), size=len(test))
    return replace(
        controls,
        frequent_answer=_value(
            [Prediction(sample=s, text=frequent) for s in test], controls.metric
        ),
        copied_answer=_value(
            [Prediction(sample=s, text=answers[i]) for s, i in zip(test, drawn, strict=True)],
            controls.metric,
        ),
    )


def _value(predictions: Sequence[Prediction], metric: str) -> float:
    return measure(metric, outcomes_of(predictions, metric=metric))
