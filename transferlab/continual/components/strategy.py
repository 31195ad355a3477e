"""What every strategy is: an Avalanche plugin that can save and account for itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from transferlab.config.pipeline import StrategySpec
from transferlab.continual.components.gradients import (
    TokenLoss,
    cosine,
    cross_entropy,
    gradient,
    gradients_of,
)
from transferlab.continual.options.base import StrategyOptions
from transferlab.continual.options.compatibility import check_strategies, read_options
from transferlab.continual.options.registry import OPTIONS, STRATEGIES
from transferlab.core.batch import Batch
from transferlab.core.lazy import no_grad, torch
from transferlab.core.protocols import Backbone
from transferlab.errors import InputError, ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.avalanche_api import AvalancheDataset
    from transferlab.continual.components.trainer_view import TrainerView

Remembered = Sequence[tuple[str, int]]
"""Sample ids, each with the index of the experience it came with."""

DatasetOf: TypeAlias = "Callable[[Remembered], AvalancheDataset]"
"""Makes the dataset of remembered samples again."""


class Strategy:
    """A plugin that keeps nothing and reports nothing, until it says otherwise.

    Avalanche's template calls the hooks that a plugin has (``before_training_exp``,
    ``after_backward`` and the like); it need not derive from a class of Avalanche's.
    """

    Options: ClassVar[type[StrategyOptions]]
    """What can be set for it."""

    name = ""
    """As in the registry; the terms that it reports begin with it."""

    reads_step_output: ClassVar[bool] = False
    """Whether hooks after a step's backward pass read ``mb_output``: it is then kept of all
    micro-batches, which takes their memory."""

    def __init__(self, options: Any = None, *, seed: int = 0, **stock: Any) -> None:
        """
        Args:
            options: the strategy's section of the pipeline, checked.
            seed: of the run.
            stock: the arguments of the plugin of Avalanche that a subclass also is.
        """
        super().__init__(**stock)
        self.options, self.seed = options, seed
        self.terms: dict[str, float | Tensor] = {}
        """What the current optimizer step has beside the task loss, by name. The template empties
        it before every step, and a tensor is looked at after it."""

    @classmethod
    def from_options(cls, options: Any, *, seed: int) -> Strategy:
        """The plugin of one entry of a ``strategy:`` list.

        Args:
            options: an instance of ``Options``.
            seed: of the run.
        """
        return cls(options, seed=seed)

    def task_loss(self, trainer: TrainerView) -> Tensor | None:
        """The current micro-batch's loss in place of the mean cross-entropy; None leaves that."""
        return None

    def task_weight(self, trainer: TrainerView) -> float:
        """How much the task loss counts beside what the strategy adds."""
        return 1.0

    @no_grad
    def add_gradient(
        self,
        trainer: TrainerView,
        batch: Batch,
        *,
        weight: float = 1.0,
        loss: TokenLoss = cross_entropy,
    ) -> float:
        """Add ``weight`` times the gradient over a batch to the step's; returns the batch's loss.

        The cosine of the two is a term of the step: below 0, they work against each other.
        """
        value, found = gradient(trainer, batch, loss)
        own = gradients_of(trainer.trainable)
        self.terms[f"{self.name}_cosine"] = cosine(own, found)
        torch._foreach_add_(own, found, alpha=weight)
        return value

    def inference_backbone(self, trainer: TrainerView) -> Backbone | None:
        """A backbone that answers in another way than with the parameters as they are, or None."""
        return None

    def state_bytes(self) -> int:
        """How much the strategy keeps from past domains."""
        return 0

    def state_dict(self) -> dict[str, Any]:
        """All that the next domain depends on: plain values, tensors and salted sample ids."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        """Take up what ``state_dict`` returned."""

    def stage_state(self) -> dict[str, Any]:
        """Within a domain: all that the next steps depend on and the last ones changed.

        What the hooks before the first step make is not in it: they are called again.
        """
        return {}

    def load_stage_state(self, state: Mapping[str, Any]) -> None:
        """Take up what ``stage_state`` returned, after the hooks before the first step."""


def build_strategies(
    specs: Sequence[StrategySpec], *, backbone: Backbone, seed: int
) -> list[Strategy]:
    """The plugins of a ``strategy:`` list, in its order.

    Raises:
        InputError: the list is not sound; the message holds every problem.
        ModelError: a strategy needs something that this backbone cannot do.
    """
    problems = check_strategies(specs)
    if problems:
        raise InputError("; ".join(problems))
    for spec in specs:
        method = OPTIONS[spec.name].needs.backbone_method
        if method and not hasattr(backbone, method):
            raise ModelError(
                f"strategy.{spec.name} needs a backbone with {method}(), and '{backbone.name}' has "
                "none; choose another strategy"
            )
    return [STRATEGIES.get(spec.name).from_options(read_options(spec), seed=seed) for spec in specs]
