"""Gradient-based sample selection, greedily (Aljundi et al. 2019, algorithm 2).

After a domain its samples pass by in random order. With c in [0, 2] one plus the largest cosine of
a sample's gradient and those of some remembered ones: while there is room, it is remembered with
the score c. Then, if c < 1, a remembered sample i is drawn in proportion to the scores C, and
replaced with probability C_i / (C_i + c).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from transferlab.continual.components.gradients import collate, evaluation_mode, gradient
from transferlab.continual.components.quadratic_penalty import flatten
from transferlab.continual.components.strategy import DatasetOf
from transferlab.continual.options.base import (
    KeepingOptions,
    Needs,
    PositiveFloat,
    PositiveInt,
    StrategyOptions,
)
from transferlab.continual.strategies.replay import Replay, ReplayOptions
from transferlab.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.avalanche_api import AvalancheDataset
    from transferlab.continual.components.trainer_view import TrainerView

FIRST_SCORE = 0.1
"""Of a sample that there is nothing to compare with; as in Avalanche."""


class GSSOptions(KeepingOptions):
    """Gradient-based sample selection: the memory keeps samples whose gradients differ."""

    family: ClassVar[str] = "rehearsal"
    paper: ClassVar[str] = "Aljundi et al. 2019, arXiv:1903.08671 (the greedy version)"
    use: ClassVar[str] = (
        "As replay, where domains hold many near-duplicates (frames of a video, views of one "
        "patient). Choosing is slow: a backward pass per sample."
    )
    needs: ClassVar[Needs] = Needs(
        past_samples=True,
        chooses_batches=True,
        extra_passes="a backward per sample after each domain, and remembered samples in every "
        "step",
    )

    memory_samples: PositiveInt = 200
    """How many sample ids are remembered in all."""
    batch_ratio: PositiveFloat = 1.0
    """Remembered samples added to a step per new one, as for `replay`."""
    compared_samples: PositiveInt = 5
    """Remembered samples whose gradients a new one's is compared with."""


class GSS(Replay):
    """Replay from a memory whose gradients point apart."""

    name = "gss"
    Options: ClassVar[type[StrategyOptions]] = GSSOptions

    def __init__(self, options: GSSOptions, *, seed: int) -> None:
        super().__init__(
            ReplayOptions(
                memory_samples=options.memory_samples,
                batch_ratio=options.batch_ratio,
                policy="reservoir",
                never_keep=options.never_keep,
            ),
            seed=seed,
        )
        self._compared = options.compared_samples
        self._never_keep = options.never_keep
        self._scores: list[float] = []

    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        if trainer.experience.domain in self._never_keep:
            return
        new, old = trainer.experience.dataset, self.memory.policy.buffer
        everything = new.concat(old) if len(old) else new
        remembered = list(range(len(new), len(everything)))
        with evaluation_mode(trainer.model):
            for start in range(0, len(new), trainer.train_mb_size):
                compared = [
                    remembered[i]
                    for i in torch.randperm(len(remembered))[: self._compared].tolist()
                ]
                references = [direction(trainer, everything, row) for row in compared]
                for row in range(start, min(start + trainer.train_mb_size, len(new))):
                    self._consider(remembered, row, direction(trainer, everything, row), references)
        self.memory.policy.buffer = everything.subset(remembered)

    def _consider(
        self, remembered: list[int], row: int, own: Tensor, references: list[Tensor]
    ) -> None:
        score = FIRST_SCORE
        if references:
            score = 1.0 + max(float(own.dot(one)) for one in references)
        if len(remembered) < self.memory.policy.max_size:
            remembered.append(row)
            self._scores.append(score)
        elif score < 1.0:
            chances = torch.tensor(self._scores).clamp(min=1e-6)
            at = int(torch.multinomial(chances, 1))
            if float(torch.rand(())) < self._scores[at] / (self._scores[at] + score + 1e-12):
                remembered[at], self._scores[at] = row, score

    def state_bytes(self) -> int:
        return super().state_bytes() + 8 * len(self._scores)

    def state_dict(self) -> dict[str, Any]:
        return {"memory": super().state_dict(), "scores": list(self._scores)}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state["memory"], dataset_of)
        self._scores = list(state["scores"])


def direction(trainer: TrainerView, dataset: AvalancheDataset, row: int) -> Tensor:
    """(trainable parameters,) float32: one sample's gradient, of length 1 or 0."""
    found = flatten(gradient(trainer, collate(trainer, dataset, [row])[0], again=True)[1])
    return found / found.norm().clamp(min=1e-12)
