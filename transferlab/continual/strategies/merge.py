"""Merging after the fact: one adapter per domain from the same start, put together by peft.

Every adapter is taken as its difference from the start (its task vector). After each domain the
parameters are the start plus the merged differences of all domains so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from transferlab.continual.components.quadratic_penalty import flatten, unflatten
from transferlab.continual.components.strategy import DatasetOf
from transferlab.continual.options.averaging import MergeOptions
from transferlab.continual.strategies.from_scratch import FromScratch

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView

DENSITY = 0.5


class Merge(FromScratch):
    """Trains from the start, merges at the end."""

    name = "merge"

    def __init__(self, options: MergeOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._vectors: list[Tensor] = []
        """Per trained domain, (trainable parameters,) float32: what was learned from the start."""

    @torch.no_grad()
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        first = self._first.to(trainer.device)
        if trainer.settings.epochs:
            self._vectors.append(flatten(trainer.trainable) - first)
        if not self._vectors:
            return
        vectors = [vector.to(trainer.device) for vector in self._vectors]
        tensors = [unflatten(vector, trainer.trainable) for vector in vectors]
        count, method = len(vectors), self.options.method
        shared = 1.0 / count if method in ("linear", "dare_linear") else 1.0
        merged = trainer.backbone.merge(
            list(zip(*tensors, strict=True)),
            method=method,
            weights=[self.options.weight or shared] * count,
            density=self.options.density or DENSITY,
        )
        torch._foreach_copy_(trainer.trainable, unflatten(first, trainer.trainable))
        torch._foreach_add_(trainer.trainable, merged)

    def kept_bytes(self) -> int:
        return super().kept_bytes() + sum(vector.nbytes for vector in self._vectors)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "vectors": [one.cpu() for one in self._vectors]}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state, dataset_of)
        self._vectors = [one.clone() for one in state["vectors"]]
