"""Orders in which samples are drawn, that can be written down half-way and gone on with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from transferlab.core.lazy import torch


class SampleOrder:
    """All positions below ``count`` in random order, again and again; none where there is none."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.rest: list[int] = []
        """What is left of the pass at hand; the next pass is drawn when it is needed."""

    def take(self, number: int) -> list[int]:
        """The next positions, as many as ``number`` unless there is nothing to draw from."""
        taken: list[int] = []
        while self._count and len(taken) < number:
            if not self.rest:
                self.rest = torch.randperm(self._count).tolist()
            more = number - len(taken)
            taken += self.rest[:more]
            self.rest = self.rest[more:]
        return taken


class EpochBatches:
    """Positions of each step's samples, in a new order in every epoch; the last may be fewer."""

    def __init__(self, samples: int, *, batch_samples: int) -> None:
        self.samples, self.batch_samples = samples, batch_samples
        self._rest: list[int] | None = None
        """What is left of the epoch at hand; None between epochs."""

    def __len__(self) -> int:
        return -(-self.samples // self.batch_samples)

    def __iter__(self) -> Iterator[list[int]]:
        if self._rest is None:
            self._rest = self.start_epoch()
        while self._rest:
            now = self._rest[: self.batch_samples]
            self._rest = self._rest[self.batch_samples :]
            yield self.step(now)
        self._rest = None

    def start_epoch(self) -> list[int]:
        """The order of an epoch."""
        return list(torch.utils.data.RandomSampler(range(self.samples)))

    def step(self, positions: list[int]) -> list[int]:
        """All that a step sees beside the next of the epoch's positions."""
        return positions

    def state_dict(self) -> dict[str, Any]:
        return {"rest": self._rest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there when it is next iterated over."""
        self._rest = state["rest"]
