"""How far the probabilities that a model gives to choices can be believed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

BINS = 15
"""Of equal mass, by the confidence in the likeliest choice."""
_DRAWS = 200


def calibration(
    log_likelihoods: Sequence[Sequence[float]], right: Sequence[int]
) -> dict[str, float]:
    """Expected calibration error and Brier score of N closed samples; lower is better.

    A choice's probability is its share among the choices that the sample offers: the softmax of
    their log-likelihoods.

    Args:
        log_likelihoods: per sample, one per choice; samples may have different numbers of them.
        right: per sample, the position of the right choice.

    Returns:
        ``ece`` in [0, 1] (Guo et al. 2017, with bins of equal mass: Nixon et al. 2019);
        ``ece_if_calibrated``, what a model with the same confidences that is right exactly as often
        as it says would have on as many samples; ``brier`` in [0, 1], half the mean squared
        distance to the right answer, which for two choices is the usual one.
    """
    chances = [softmax(np.asarray(own, np.float64)) for own in log_likelihoods]
    confidences = np.array([own.max() for own in chances])
    correct = np.array([own.argmax() == at for own, at in zip(chances, right, strict=True)])
    # An error from few samples is never zero; drawn with a seed of its own, the same for every arm.
    drawn = np.random.default_rng(0).random((_DRAWS, len(confidences))) < confidences
    return {
        "ece": float(calibration_errors(confidences, correct[None])[0]),
        "ece_if_calibrated": float(calibration_errors(confidences, drawn).mean()),
        "brier": float(np.mean([_brier(own, at) for own, at in zip(chances, right, strict=True)])),
    }


def calibration_errors(confidences: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """(B,) expected calibration errors.

    Args:
        confidences: (N,) in [0, 1], N > 0. Equal ones share a bin, whatever the samples' order.
        correct: (B, N) bool, which answers were right, for each of B outcomes.
    """
    count = len(confidences)
    ranks = np.searchsorted(np.sort(confidences), confidences)
    in_bin = (ranks * BINS // count)[:, None] == np.arange(BINS)
    differences = (correct - confidences) @ in_bin.astype(np.float64)
    return np.asarray(np.abs(differences).sum(axis=1) / count)


def _brier(chances: np.ndarray, right: int) -> float:
    missed = chances.copy()
    missed[right] -= 1.0
    return float(missed @ missed / 2)
