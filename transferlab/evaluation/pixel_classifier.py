"""The pixels control: what a linear classifier sees in a thumbnail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from transferlab.core.records import Decode, MediaRef, Prediction, Sample

SIDE = 32
COMPONENTS = 20
MAX_ITERATIONS = 2000


class PixelVectors:
    """The 32x32 grey thumbnails of media, each decoded once."""

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._known: dict[MediaRef, np.ndarray] = {}

    def of(self, sample: Sample) -> np.ndarray:
        """(1024,) float64 in [0, 255]: the sample's first medium; a video is the mean of its
        frames. The whole picture is squeezed to a square, whatever its shape.

        Raises:
            DataError: the medium cannot be decoded.
        """
        ref = sample.media[0]
        if ref not in self._known:
            frames = [_thumbnail(frame) for frame in self._decode(ref)]
            self._known[ref] = np.mean(frames, axis=0).ravel()
        return self._known[ref]


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

    seen = np.stack([vectors.of(sample) for sample in train])
    model = make_pipeline(
        PCA(min(COMPONENTS, len(train)), svd_solver="full"),
        StandardScaler(),
        LogisticRegression(max_iter=MAX_ITERATIONS),
    )
    model.fit(seen, [sample.answer for sample in train])
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


def _thumbnail(frame: np.ndarray) -> np.ndarray:
    grey = Image.fromarray(frame).convert("L")
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float64)
