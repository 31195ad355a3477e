"""Experience replay (Chaudhry et al. 2019): remembered samples are trained on beside new ones.

Every optimizer step has ``batch_samples`` samples of the new domain (the last of an epoch may have
fewer) and round(batch_ratio * batch_samples) remembered ones, at least one; while nothing is
remembered, new samples only.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils.data import Sampler

from transferlab.continual.avalanche_api import ReplayPlugin
from transferlab.continual.catalogue.rehearsal import ReplayOptions
from transferlab.continual.memory import Memory, endless
from transferlab.continual.passes import token_rows, widened
from transferlab.continual.rehearsal import Rehearsal

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate


class MixedBatches(Sampler[list[int]]):
    """Positions of each step's samples in new data followed by the memory."""

    def __init__(self, *, new: int, remembered: int, batch_new: int, batch_remembered: int) -> None:
        self._new, self._remembered = new, remembered
        self._batch_new = batch_new
        self._batch_remembered = min(batch_remembered, remembered)

    def __len__(self) -> int:
        return -(-self._new // self._batch_new)

    def __iter__(self) -> Iterator[list[int]]:
        order = torch.randperm(self._new).tolist()
        memory = endless(self._remembered)
        for start in range(0, self._new, self._batch_new):
            drawn = [self._new + row for row in islice(memory, self._batch_remembered)]
            yield order[start : start + self._batch_new] + drawn


class Replay(Rehearsal, ReplayPlugin):
    """Avalanche's plugin and storage policies, with an exact share of remembered samples."""

    name = "replay"

    def __init__(self, options: ReplayOptions, *, seed: int) -> None:
        self.memory = Memory(options, name=self.name)
        super().__init__(
            options,
            seed=seed,
            mem_size=options.memory_samples,
            storage_policy=self.memory.policy,
        )

    def before_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        if len(self.memory) == 0:
            return
        new, kept = strategy.adapted_dataset, self.memory.policy.buffer
        strategy.dataloader = strategy.loader_over(
            new.concat(kept),
            batch_sampler=MixedBatches(
                new=len(new),
                remembered=len(kept),
                batch_new=strategy.train_mb_size,
                batch_remembered=max(1, round(self.options.batch_ratio * strategy.train_mb_size)),
            ),
        )

    def before_training_iteration(self, strategy: MLLMTemplate, **kwargs) -> None:
        self._sum, self._count = 0.0, 0

    @torch.no_grad()
    def after_forward(self, strategy: MLLMTemplate, **kwargs) -> None:
        experiences = strategy.mb_task_id[token_rows(strategy.mb_x)]
        old = experiences != strategy.experience.current_experience
        count = int(old.sum())
        if count:
            losses = nn.functional.cross_entropy(
                widened(strategy.mb_output[old]), strategy.mb_y[old], reduction="sum"
            )
            self._sum += float(losses)
            self._count += count
            self.terms[f"{self.name}_loss"] = self._sum / self._count

    def remembered(self) -> list[tuple[str, int]]:
        """The id of every remembered sample, with the index of its experience."""
        return self.memory.remembered()
