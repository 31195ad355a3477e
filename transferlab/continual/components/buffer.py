"""Remembered samples: which are kept, how they are drawn, and how they survive a restart.

Ids are remembered, not pixels: media are decoded again when a sample is drawn, and a checkpoint
holds no data of a patient.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from transferlab.continual.avalanche_api import (
    AvalancheDataset,
    BalancedExemplarsBuffer,
    ClassBalancedBuffer,
    ExemplarsBuffer,
    ExperienceBalancedBuffer,
    ParametricBuffer,
    ParametricSingleBuffer,
    RandomExemplarsSelectionStrategy,
    ReservoirSamplingBuffer,
)
from transferlab.continual.components.exemplars import ClosestToCentre, Herding
from transferlab.continual.components.gradients import collate
from transferlab.continual.components.sample_ids import answer_tokens, id_bytes, ids_of
from transferlab.continual.components.samplers import SampleOrder
from transferlab.continual.components.strategy import DatasetOf
from transferlab.continual.options.memory import MemoryOptions
from transferlab.errors import InputError

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView

SELECTIONS = {
    "random": RandomExemplarsSelectionStrategy,
    "herding": Herding,
    "closest_to_centre": ClosestToCentre,
}


UNLIMITED = 2**31
"""More samples than anybody has."""


class ByAttribute(ParametricBuffer):
    """Gives the same share to every value of an attribute."""

    def __init__(self, size: int, attribute: str, selection: Any) -> None:
        super().__init__(size, groupby=None, selection_strategy=selection)
        self._attribute = attribute
        self.values: list[str] = []
        """Of each group, by its number: digests, as what a sample says is not written down."""

    def _make_groups(self, trainer: Any, data: AvalancheDataset) -> dict[int, AvalancheDataset]:
        rows: dict[int, list[int]] = {}
        for row in range(len(data)):
            value = data[row][0].attributes.get(self._attribute, "")
            digest = hashlib.sha256(value.encode("utf-8")).hexdigest()[:16]
            if digest not in self.values:
                self.values.append(digest)
            rows.setdefault(self.values.index(digest), []).append(row)
        return {number: data.subset(some) for number, some in rows.items()}


def make_policy(options: MemoryOptions) -> ExemplarsBuffer:
    """Avalanche's storage policy of that name."""
    size = options.memory_samples
    if options.policy in SELECTIONS:
        group_by = options.group_by or "experience"
        if options.attribute is not None:
            return ByAttribute(size, options.attribute, SELECTIONS[options.policy]())
        return ParametricBuffer(
            size,
            groupby=None if group_by == "nothing" else group_by,
            selection_strategy=SELECTIONS[options.policy](),
        )
    plain = {
        "reservoir": ReservoirSamplingBuffer,
        "experience_balanced": ExperienceBalancedBuffer,
        "class_balanced": ClassBalancedBuffer,
    }
    return plain[options.policy](size)


class ReplayBuffer:
    """A storage policy of Avalanche that can save itself."""

    def __init__(self, options: MemoryOptions, *, name: str) -> None:
        self._options, self._name = options, name
        self.policy = make_policy(options)
        self._order = SampleOrder(0)
        self._met = 0
        """Samples so far of which ids might be kept."""

    def __len__(self) -> int:
        return len(self.policy.buffer)

    def take_in(self, trainer: TrainerView) -> None:
        """Let the policy choose from the current experience, unless its ids may not be kept."""
        if trainer.experience.domain in self._options.never_keep:
            return
        self._met += len(trainer.experience.dataset)
        if self._options.memory_fraction is not None:
            self.policy.max_size = max(1, round(self._options.memory_fraction * self._met))
        elif self._options.memory_tokens is not None:
            self.policy.max_size = UNLIMITED
        self.policy.post_adapt(trainer, trainer.experience)
        if self._options.memory_tokens is not None:
            self._fit_tokens(trainer, self._options.memory_tokens)

    def _fit_tokens(self, trainer: TrainerView, limit: int) -> None:
        """Let the policy drop samples until their answers have ``limit`` tokens at most."""
        counts = answer_tokens(trainer, self.policy.buffer)
        while len(self) > 1:
            tokens = sum(counts[name] for name, _ in self.remembered())
            if tokens <= limit:
                return
            self.policy.resize(trainer, max(1, min(len(self) - 1, len(self) * limit // tokens)))

    def start_sampling(self) -> None:
        """Begin a new order; what was drawn for the last domain has no influence on the next."""
        self._order = SampleOrder(len(self))

    def draw(self, trainer: TrainerView, count: int) -> list:
        """The mini-batch ``[x, y, t]`` of the next ``count`` samples in random order."""
        rows = self._order.take(min(count, len(self)))
        return collate(trainer, self.policy.buffer, rows)

    def sampling_state(self) -> list[list[int]]:
        """Where drawing has come to within a domain."""
        return [self._order.rest]

    def load_sampling_state(self, state: Sequence[list[int]]) -> None:
        self._order.rest = list(state[0])

    def remembered(self) -> list[tuple[str, int]]:
        """The id of every remembered sample, with the index of its experience."""
        return [pair for group in self._groups().values() for pair in ids_of(group.buffer)]

    def state_bytes(self) -> int:
        return id_bytes(self.remembered())

    def state_dict(self) -> dict[str, Any]:
        groups = {}
        for key, group in self._groups().items():
            group_state = {"remembered": ids_of(group.buffer), "max_samples": group.max_size}
            if isinstance(group, ReservoirSamplingBuffer):
                group_state["weights"] = group._buffer_weights.clone()
            groups[key] = group_state
        values = self.policy.values if isinstance(self.policy, ByAttribute) else []
        return {
            "policy": self._options.policy,
            "groups": groups,
            "met": self._met,
            "values": list(values),
        }

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        """Take up a state.

        Raises:
            InputError: it was written under another policy.
        """
        if state["policy"] != self._options.policy:
            raise InputError(
                f"the checkpoint remembers samples by policy '{state['policy']}' and "
                f"strategy.{self._name}.policy is '{self._options.policy}'; resume with the former"
            )
        policy = make_policy(self._options)
        groups = {key: self._restored(saved, dataset_of) for key, saved in state["groups"].items()}
        if isinstance(policy, BalancedExemplarsBuffer):
            policy.buffer_groups = groups
        else:
            policy = groups[0]
        if isinstance(policy, ExperienceBalancedBuffer):
            policy._num_exps = len(groups)
        if isinstance(policy, ClassBalancedBuffer):
            policy.seen_classes = set(groups)
        if isinstance(policy, ParametricBuffer):
            policy.seen_groups = set(groups)
        if isinstance(policy, ByAttribute):
            policy.values = list(state["values"])
        self._met = int(state["met"])
        self.policy = policy

    def _restored(self, saved: Mapping[str, Any], dataset_of: DatasetOf) -> ExemplarsBuffer:
        size = saved["max_samples"]
        if self._options.policy in SELECTIONS:
            buffer = ParametricSingleBuffer(size, SELECTIONS[self._options.policy]())
        else:
            buffer = ReservoirSamplingBuffer(size)
        if saved["remembered"]:
            buffer.buffer = dataset_of(saved["remembered"])
            if "weights" in saved:
                buffer._buffer_weights = saved["weights"].clone()
        return buffer

    def _groups(self) -> dict[int, ExemplarsBuffer]:
        if isinstance(self.policy, BalancedExemplarsBuffer):
            return self.policy.buffer_groups
        return {0: self.policy}


class PerDomainBuffer:
    """The same number of samples of every past domain, drawn uniformly, and none ever dropped."""

    def __init__(self, samples_per_domain: int, never_keep: Sequence[str]) -> None:
        self._size, self._never_keep = samples_per_domain, never_keep
        self.domains: list[AvalancheDataset] = []
        self._orders: list[SampleOrder] = []

    def take_in(self, trainer: TrainerView) -> None:
        dataset = trainer.experience.dataset
        if trainer.experience.domain in self._never_keep:
            return
        if len(dataset) > self._size:
            rows = list(range(len(dataset)))
            random.shuffle(rows)
            dataset = dataset.subset(rows[: self._size])
        self.domains.append(dataset)

    def start_sampling(self) -> None:
        self._orders = [SampleOrder(len(dataset)) for dataset in self.domains]

    def draw(self, trainer: TrainerView, domain: int, count: int | None) -> list:
        """The mini-batch of the next ``count`` samples of one past domain; None takes them all."""
        dataset = self.domains[domain]
        size = len(dataset) if count is None else min(count, len(dataset))
        return collate(trainer, dataset, self._orders[domain].take(size))

    def sampling_state(self) -> list[list[int]]:
        """Where drawing has come to within a domain."""
        return [order.rest for order in self._orders]

    def load_sampling_state(self, state: Sequence[list[int]]) -> None:
        for order, rest in zip(self._orders, state, strict=True):
            order.rest = list(rest)

    def state_bytes(self) -> int:
        return sum(id_bytes(ids_of(dataset)) for dataset in self.domains)

    def state_dict(self) -> dict[str, Any]:
        return {"domains": [ids_of(dataset) for dataset in self.domains]}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self.domains = [dataset_of(remembered) for remembered in state["domains"]]
