"""Experience replay (Chaudhry et al. 2019): remembered samples are trained on beside new ones.

Every optimizer step has ``batch_samples`` samples of the new domain (the last of an epoch may have
fewer) and round(batch_ratio * batch_samples) remembered ones, at least one; while nothing is
remembered, new samples only. Ids are remembered, not pixels: media are decoded again when a sample
is drawn, and a checkpoint holds no data of a patient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Sampler

from transferlab.continual.avalanche_api import (
    AvalancheDataset,
    BalancedExemplarsBuffer,
    ClassBalancedBuffer,
    ExemplarsBuffer,
    ExperienceBalancedBuffer,
    ReplayPlugin,
    ReservoirSamplingBuffer,
)
from transferlab.continual.catalogue.rehearsal import ReplayOptions
from transferlab.continual.strategy import DatasetOf, Strategy
from transferlab.errors import InputError

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate

POLICIES: dict[str, type[ExemplarsBuffer]] = {
    "reservoir": ReservoirSamplingBuffer,
    "experience_balanced": ExperienceBalancedBuffer,
    "class_balanced": ClassBalancedBuffer,
}


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
        memory = self._endless()
        for start in range(0, self._new, self._batch_new):
            drawn = list(islice(memory, self._batch_remembered))
            yield order[start : start + self._batch_new] + drawn

    def _endless(self) -> Iterator[int]:
        """All remembered positions in random order, again and again."""
        while True:
            yield from (torch.randperm(self._remembered) + self._new).tolist()


class Replay(Strategy, ReplayPlugin):
    """Avalanche's plugin and storage policies, with an exact share of remembered samples."""

    def __init__(self, options: ReplayOptions, *, seed: int) -> None:
        super().__init__(
            mem_size=options.memory_samples,
            storage_policy=POLICIES[options.policy](options.memory_samples),
        )
        self.options = options

    def before_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        memory = self.storage_policy.buffer
        if len(memory) == 0:
            return
        new = strategy.adapted_dataset
        strategy.dataloader = strategy.loader_over(
            new.concat(memory),
            batch_sampler=MixedBatches(
                new=len(new),
                remembered=len(memory),
                batch_new=strategy.train_mb_size,
                batch_remembered=max(1, round(self.options.batch_ratio * strategy.train_mb_size)),
            ),
        )

    def after_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        self.storage_policy.post_adapt(strategy, strategy.experience)

    def remembered(self) -> list[tuple[str, int]]:
        """The id of every remembered sample, with the index of its experience."""
        return [pair for group in self._groups().values() for pair in ids_of(group.buffer)]

    def kept_bytes(self) -> int:
        return sum(len(sample_id.encode("utf-8")) + 8 for sample_id, _ in self.remembered())

    def state_dict(self) -> dict[str, Any]:
        return {
            "policy": self.options.policy,
            "groups": {
                key: {
                    "remembered": ids_of(group.buffer),
                    "weights": group._buffer_weights.clone(),
                    "max_samples": group.max_size,
                }
                for key, group in self._groups().items()
            },
        }

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        """Take up a state.

        Raises:
            InputError: it was written under another policy.
        """
        if state["policy"] != self.options.policy:
            raise InputError(
                f"the checkpoint remembers samples by policy '{state['policy']}' and "
                f"strategy.replay.policy is '{self.options.policy}'; resume with the former"
            )
        groups = {key: _restore(saved, dataset_of) for key, saved in state["groups"].items()}
        policy = POLICIES[self.options.policy](self.options.memory_samples)
        if isinstance(policy, BalancedExemplarsBuffer):
            policy.buffer_groups = groups
        else:
            policy = groups[0]
        if isinstance(policy, ExperienceBalancedBuffer):
            policy._num_exps = len(groups)
        if isinstance(policy, ClassBalancedBuffer):
            policy.seen_classes = set(groups)
        self.storage_policy = policy

    def _groups(self) -> dict[int, ReservoirSamplingBuffer]:
        if isinstance(self.storage_policy, BalancedExemplarsBuffer):
            return self.storage_policy.buffer_groups
        return {0: self.storage_policy}


def ids_of(dataset: AvalancheDataset) -> list[tuple[str, int]]:
    """The id and experience of each item of a dataset; nothing is decoded."""
    items = [dataset[position] for position in range(len(dataset))]
    return [(item[0].id, int(item[-1])) for item in items]


def _restore(saved: Mapping[str, Any], dataset_of: DatasetOf) -> ReservoirSamplingBuffer:
    buffer = ReservoirSamplingBuffer(saved["max_samples"])
    if saved["remembered"]:
        buffer.buffer = dataset_of(saved["remembered"])
        buffer._buffer_weights = saved["weights"].clone()
    return buffer
