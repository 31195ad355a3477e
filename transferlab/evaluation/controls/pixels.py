"""What a linear classifier sees in a thumbnail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transferlab.core.records import Prediction, Sample
from transferlab.evaluation.control import ControlTask, control
from transferlab.evaluation.thumbnails import PixelVectors

COMPONENTS = 20
MAX_ITERATIONS = 2000


@control("closed", learns=True)
def pixels(task: ControlTask) -> list[Prediction] | str:
    """Logistic regression on 20 principal components of the 32x32 grey picture."""
    return predict_from_pixels(task.train, task.test, task.thumbnails)


def predict_from_pixels(
    train: Sequence[Sample], test: Sequence[Sample], vectors: PixelVectors
) -> list[Prediction] | str:
    """Logistic regression on the standardised first 20 principal components of the thumbnails.

    Args:
        train: labelled samples of one closed task, at least one.
        test: samples of the same task.
        vectors: makes and keeps the thumbnails.

    Returns:
        A prediction per test sample with the log-probability of each choice; or, where the control
        is not defined, the reason in words.

    Raises:
        DataError: a medium cannot be decoded.
    """
    reason = _undefined_because(train, test)
    if reason:
        return reason

    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = np.stack([vectors.of(sample) for sample in train])
    model = make_pipeline(
        PCA(min(COMPONENTS, len(train)), svd_solver="full"),
        StandardScaler(),
        LogisticRegression(max_iter=MAX_ITERATIONS),
    )
    model.fit(features, [sample.answer for sample in train])
    scores = model.predict_log_proba(np.stack([vectors.of(sample) for sample in test]))
    column = {label: index for index, label in enumerate(model.classes_)}
    # A label that no training sample has is never predicted: below every log-probability.
    lowest = float(scores.min()) - 1.0
    return [
        _prediction(sample, [row[column[c]] if c in column else lowest for c in sample.choices])
        for sample, row in zip(test, scores, strict=True)
    ]


def _undefined_because(train: Sequence[Sample], test: Sequence[Sample]) -> str | None:
    everyone = [*train, *test]
    if len({frozenset(sample.choices) for sample in everyone}) > 1:
        return "the choices differ from sample to sample, so there are no fixed classes to learn"
    if not all(sample.media for sample in everyone):
        return "some samples of the task have no media"
    if len({sample.answer for sample in train}) < 2:
        return "the training samples all have the same answer"
    return None


def _prediction(sample: Sample, scores: Sequence[float]) -> Prediction:
    return Prediction(
        sample=sample,
        text=sample.choices[int(np.argmax(scores))],
        log_likelihoods=tuple(float(score) for score in scores),
    )
