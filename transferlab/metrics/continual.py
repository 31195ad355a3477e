"""Summaries of a score matrix: what the stream learned, kept and lost.

``scores`` is the matrix R of T + 1 rows (row 0 before any adaptation, row i after step i) by T
columns (the domains in the order in which they are learned), higher is better. It may carry a third
axis of B bootstrap draws; then every function returns (B,) instead of a number. Units are those of
the scores.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

Value = float | np.ndarray


def average_accuracy(scores: ArrayLike) -> Value:
    """Mean score over all domains at the end of the stream.

    ACC = mean_j R[T][j]   (Lopez-Paz & Ranzato, 2017)

    Raises:
        ValueError: ``scores`` is not (T + 1, T) with T >= 1.
    """
    matrix = _matrix(scores)
    return _plain(matrix[-1].mean(axis=0))


def backward_transfer(scores: ArrayLike) -> Value:
    """Mean change on earlier domains once the last domain has been learned.

    BWT = mean over j < T of (R[T][j] - R[j][j]), domains counted from 1   (Lopez-Paz & Ranzato,
    2017). Negative means forgetting.

    Raises:
        ValueError: not (T + 1, T), or fewer than two domains: nothing earlier to transfer back to.
    """
    matrix = _matrix(scores, at_least=2, name="backward transfer")
    earlier = range(matrix.shape[1] - 1)
    return _plain(np.mean([matrix[-1, j] - matrix[j + 1, j] for j in earlier], axis=0))


def forward_transfer(scores: ArrayLike, references: ArrayLike) -> Value:
    """Mean head start on a domain that is not yet learned, over a reference.

    FWT = mean over j > 1 of (R[j-1][j] - r_j)   (Lopez-Paz & Ranzato, 2017)

    Args:
        scores: see the module.
        references: (T,) or (T, B), r_j: the score on domain j of a model trained on it from random
            initialisation, or the zero-shot score; whoever reports FWT must say which. The first
            is not read.

    Raises:
        ValueError: wrong shapes, or fewer than two domains.
    """
    matrix = _matrix(scores, at_least=2, name="forward transfer")
    start = np.asarray(references, np.float64)
    if start.shape != matrix.shape[1:]:
        raise ValueError(
            f"forward transfer needs references of shape {matrix.shape[1:]}, got {start.shape}"
        )
    later = range(1, matrix.shape[1])
    return _plain(np.mean([matrix[j, j] - start[j] for j in later], axis=0))


def forgetting_by_domain(scores: ArrayLike) -> list[Value]:
    """How far each domain but the last has fallen from the best it ever was.

    forgetting_j = max over i < T of R[i][j] - R[T][j]   (Chaudhry et al., 2018; here i starts at 0,
    so that losing what the pretrained backbone already could counts too). Negative where the last
    step still improved the domain.

    Raises:
        ValueError: not (T + 1, T), or fewer than two domains.
    """
    matrix = _matrix(scores, at_least=2, name="forgetting")
    return [_plain(matrix[:-1, j].max(axis=0) - matrix[-1, j]) for j in range(matrix.shape[1] - 1)]


def forgetting(scores: ArrayLike) -> Value:
    """Mean of ``forgetting_by_domain``.

    Raises:
        ValueError: not (T + 1, T), or fewer than two domains.
    """
    return _plain(np.mean(np.asarray(forgetting_by_domain(scores)), axis=0))


def plasticity(scores: ArrayLike) -> list[Value]:
    """What each step gained on the domain that it trained: R[j][j] - R[j-1][j], j from 1.

    Raises:
        ValueError: not (T + 1, T) with T >= 1.
    """
    matrix = _matrix(scores)
    return [_plain(matrix[j + 1, j] - matrix[j, j]) for j in range(matrix.shape[1])]


def stability(
    scores: ArrayLike, source: Sequence[float] | np.ndarray | None = None
) -> list[Value | None]:
    """What each step changed on what was there before it, on average.

    stability_j = mean over i < j of (R[j][i] - R[j-1][i]); negative means that the step cost the
    earlier domains something.

    Args:
        scores: see the module.
        source: (T + 1,) or (T + 1, B) scores on the source domain, which is earlier than all.

    Returns:
        Per step; None where nothing was there before it.

    Raises:
        ValueError: not (T + 1, T) with T >= 1, or ``source`` has another number of rows.
    """
    matrix = _matrix(scores)
    earlier = [] if source is None else [np.asarray(source, np.float64)]
    if earlier and len(earlier[0]) != len(matrix):
        raise ValueError(f"a source column of {len(matrix)} rows, got {len(earlier[0])}")
    found: list[Value | None] = []
    for step in range(1, len(matrix)):
        changes = [column[step] - column[step - 1] for column in earlier]
        found.append(_plain(np.mean(changes, axis=0)) if changes else None)
        earlier.append(matrix[:, step - 1])
    return found


def source_retention(column: Sequence[float] | np.ndarray) -> Value:
    """Change on the source domain over the whole stream: R[T][source] - R[0][source].

    Args:
        column: (T + 1,) or (T + 1, B) scores on the source domain, before and after each step.

    Returns:
        Zero means that nothing was lost, negative that the stream cost the source something.

    Raises:
        ValueError: fewer than two rows: no step has been taken.
    """
    scores = np.asarray(column, np.float64)
    if len(scores) < 2:
        raise ValueError(f"source retention needs at least 2 rows, got {len(scores)}")
    return _plain(scores[-1] - scores[0])


def _matrix(scores: ArrayLike, *, at_least: int = 1, name: str = "a summary") -> np.ndarray:
    matrix = np.asarray(scores, np.float64)
    if matrix.ndim not in (2, 3) or matrix.shape[0] != matrix.shape[1] + 1:
        raise ValueError(
            "a score matrix has one row more than it has domains (row 0 is before adaptation), "
            f"got shape {matrix.shape}"
        )
    if matrix.shape[1] < at_least:
        raise ValueError(f"{name} needs at least {at_least} domain(s), got {matrix.shape[1]}")
    return matrix


def _plain(value: np.ndarray) -> Value:
    return float(value) if np.ndim(value) == 0 else value
