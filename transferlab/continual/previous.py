"""The model as it was after the last domain, and what strategies that distil it have in common.

Of the old model only a copy of the trainable parameters is kept.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from transferlab.continual.quadratic import check_size
from transferlab.continual.ranks import summed
from transferlab.continual.strategy import DatasetOf, Strategy
from transferlab.core.batch import Batch

if TYPE_CHECKING:
    from transferlab.continual.template import MLLMTemplate


class Previous:
    """Keeps the parameters, and puts them into the model for a pass without gradient."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._values: list[Tensor] = []
        """One per trainable parameter, of its shape and dtype; empty before the first domain."""

    @property
    def known(self) -> bool:
        return bool(self._values)

    def keep(self, strategy: MLLMTemplate) -> None:
        self._values = [parameter.detach().clone() for parameter in strategy.trainable]

    def logits(self, strategy: MLLMTemplate, batch: Batch) -> Tensor:
        """(n_supervised, vocab) logits of the old model on a batch, without dropout."""
        with torch.no_grad(), self.in_place(strategy), strategy.autocast():
            return strategy.model(batch)

    @contextmanager
    def in_place(self, strategy: MLLMTemplate) -> Iterator[None]:
        """Inside, the model is the old one, in eval mode. No graph may be waiting for backward."""
        own = [parameter.data for parameter in strategy.trainable]
        was_training = strategy.model.training
        strategy.model.eval()
        self._put(strategy, self._values)
        try:
            yield
        finally:
            self._put(strategy, own)
            strategy.model.train(was_training)

    @staticmethod
    def _put(strategy: MLLMTemplate, values: list[Tensor]) -> None:
        for parameter, value in zip(strategy.trainable, values, strict=True):
            parameter.data = value

    def kept_bytes(self) -> int:
        return sum(value.nbytes for value in self._values)

    def state_dict(self) -> dict[str, Any]:
        return {"previous": [value.cpu() for value in self._values]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._values = [value.clone() for value in state["previous"]]

    def bring(self, strategy: MLLMTemplate) -> None:
        """Move a loaded copy to the device, and check that it is about these parameters."""
        if self._values:
            check_size(self._name, sum(v.numel() for v in self._values), strategy.trainable)
            self._values = [value.to(strategy.device) for value in self._values]


class Distillation(Strategy):
    """Adds to the loss how far the model is from the one before, on the inputs of the step."""

    def __init__(self, options: Any, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self.previous = Previous(self.name)

    @abstractmethod
    def apart(self, strategy: MLLMTemplate) -> Tensor:
        """The distance of the two models on the current micro-batch, a scalar with a gradient."""

    def before_training(self, strategy: MLLMTemplate, **kwargs) -> None:
        self.previous.bring(strategy)

    def before_training_iteration(self, strategy: MLLMTemplate, **kwargs) -> None:
        self._penalty = torch.zeros((), device=strategy.device)

    def before_backward(self, strategy: MLLMTemplate, **kwargs) -> None:
        if self.previous.known:
            penalty = self.options.strength * self.apart(strategy)
            strategy.loss = strategy.loss + penalty
            self._penalty += strategy.share * penalty.detach()

    def after_backward(self, strategy: MLLMTemplate, **kwargs) -> None:
        if self.previous.known:
            self.terms[f"{self.name}_penalty"] = summed(self._penalty)

    def after_training_exp(self, strategy: MLLMTemplate, **kwargs) -> None:
        self.previous.keep(strategy)

    def kept_bytes(self) -> int:
        return self.previous.kept_bytes()

    def state_dict(self) -> dict[str, Any]:
        return self.previous.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self.previous.load_state_dict(state)
