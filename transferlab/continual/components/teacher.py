"""The model as it was after the last domain, and what strategies that distil it have in common.

Of the old model only a copy of the trainable parameters is kept.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from transferlab.continual.components.quadratic_penalty import check_size
from transferlab.continual.components.strategy import DatasetOf, Strategy
from transferlab.core.batch import Batch
from transferlab.core.distributed import summed
from transferlab.core.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


class Teacher:
    """Keeps the parameters, and puts them into the model for a pass without gradient."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._values: list[Tensor] = []
        """One per trainable parameter, of its shape and dtype; empty before the first domain."""

    @property
    def known(self) -> bool:
        return bool(self._values)

    def keep(self, trainer: TrainerView) -> None:
        self._values = [parameter.detach().clone() for parameter in trainer.trainable]

    def logits(self, trainer: TrainerView, batch: Batch) -> Tensor:
        """(n_supervised, vocab) logits of the old model on a batch, without dropout."""
        with torch.no_grad(), self.in_place(trainer), trainer.autocast():
            return trainer.model(batch)

    @contextmanager
    def in_place(self, trainer: TrainerView) -> Iterator[None]:
        """Inside, the model is the old one, in eval mode. No graph may be waiting for backward."""
        own = [parameter.data for parameter in trainer.trainable]
        was_training = trainer.model.training
        trainer.model.eval()
        self._put(trainer, self._values)
        try:
            yield
        finally:
            self._put(trainer, own)
            trainer.model.train(was_training)

    @staticmethod
    def _put(trainer: TrainerView, values: list[Tensor]) -> None:
        for parameter, value in zip(trainer.trainable, values, strict=True):
            parameter.data = value

    def state_bytes(self) -> int:
        return sum(value.nbytes for value in self._values)

    def state_dict(self) -> dict[str, Any]:
        return {"previous": [value.cpu() for value in self._values]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._values = [value.clone() for value in state["previous"]]

    def bring(self, trainer: TrainerView) -> None:
        """Move a loaded copy to the device, and check that it is about these parameters."""
        if self._values:
            check_size(self._name, sum(v.numel() for v in self._values), trainer.trainable)
            self._values = [value.to(trainer.device) for value in self._values]


class Distillation(Strategy):
    """Adds to the loss how far the model is from the one before, on the inputs of the step."""

    def __init__(self, options: Any, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self.teacher = Teacher(self.name)

    @abstractmethod
    def drift(self, trainer: TrainerView) -> Tensor:
        """The distance of the two models on the current micro-batch, a scalar with a gradient."""

    def before_training(self, trainer: TrainerView, **kwargs) -> None:
        self.teacher.bring(trainer)

    def before_training_iteration(self, trainer: TrainerView, **kwargs) -> None:
        self._penalty = torch.zeros((), device=trainer.device)

    def before_backward(self, trainer: TrainerView, **kwargs) -> None:
        if self.teacher.known:
            penalty = self.options.strength * self.drift(trainer)
            trainer.loss = trainer.loss + penalty
            self._penalty += trainer.share * penalty.detach()

    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        if self.teacher.known:
            self.terms[f"{self.name}_penalty"] = summed(self._penalty)

    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        self.teacher.keep(trainer)

    def state_bytes(self) -> int:
        return self.teacher.state_bytes()

    def state_dict(self) -> dict[str, Any]:
        return self.teacher.state_dict()

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self.teacher.load_state_dict(state)
