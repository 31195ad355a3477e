"""Every domain from the adapter's first values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from transferlab.continual.components.quadratic_penalty import check_size, flatten, unflatten
from transferlab.continual.components.strategy import DatasetOf, Strategy
from transferlab.continual.options.base import Needs, StrategyOptions
from transferlab.core.lazy import no_grad, torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


class FromScratchOptions(StrategyOptions):
    """The adapter starts from its first values at every domain."""

    family: ClassVar[str] = "baseline"
    paper: ClassVar[str] = "none; a control"
    use: ClassVar[str] = (
        "As a control that transfers nothing from one domain to the next; with cumulative it is "
        "joint training at every step."
    )
    needs: ClassVar[Needs] = Needs(
        keeps="the first values of the trainable parameters",
        copies=1,
        moves_parameters="back to their first values before each domain",
    )


class FromScratch(Strategy):
    """Puts the parameters back to where they were before the first domain."""

    name = "from_scratch"
    Options: ClassVar[type[StrategyOptions]] = FromScratchOptions

    def __init__(self, options: StrategyOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._first: Tensor | None = None
        """(trainable parameters,) float32."""

    @property
    def first(self) -> Tensor:
        """The first values, which are kept from the first domain on."""
        assert self._first is not None, "kept before the first step"
        return self._first

    @no_grad
    def before_train_dataset_adaptation(self, trainer: TrainerView, **kwargs) -> None:
        if self._first is None:
            self._first = flatten(trainer.trainable)
            return
        check_size(self.name, self._first.numel(), trainer.trainable)
        first = unflatten(self._first.to(trainer.device), trainer.trainable)
        torch._foreach_copy_(trainer.trainable, first)

    def state_bytes(self) -> int:
        return 0 if self._first is None else self._first.nbytes

    def state_dict(self) -> dict[str, Any]:
        return {} if self._first is None else {"first": self._first.cpu()}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self._first = state["first"].clone() if "first" in state else None
