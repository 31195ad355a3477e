"""Learning without forgetting (Li & Hoiem 2016), on tokens.

    penalty = alpha * mean over supervised tokens of KL(p_old || p_new)

with both distributions softened by the temperature, and p_old the model after the last domain, on
the new domain's inputs. Avalanche's plugin copies the whole model and restricts the distributions
to the classes of past domains; here the copy is of the trainable parameters, and the distributions
are over the vocabulary, or over the tokens of past answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from transferlab.continual.components.gradients import batches_over, upcast
from transferlab.continual.components.strategy import DatasetOf
from transferlab.continual.components.teacher import Distillation
from transferlab.continual.options.base import Needs, PositiveFloat, StrategyOptions
from transferlab.core.lazy import nn, torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


class LwFOptions(StrategyOptions):
    """Learning without forgetting: the old model's token distributions on new inputs are kept."""

    family: ClassVar[str] = "distillation"
    paper: ClassVar[str] = "Li & Hoiem 2016, arXiv:1606.09282"
    use: ClassVar[str] = (
        "Where no sample of a past domain may be kept and new inputs resemble old ones; on inputs "
        "that the old model knew nothing about there is nothing to distil."
    )
    needs: ClassVar[Needs] = Needs(
        previous_model=True,
        extra_passes="one forward of every batch through the previous model",
        adds_gradient=True,
        anchors=True,
    )

    strength: PositiveFloat = 1.0
    """How much the divergence counts beside the task loss; both are in nats per token."""
    temperature: PositiveFloat = 2.0
    """Both distributions are softened by it; above 1 unlikely tokens count more."""
    tokens: Literal["all", "answered"] = "all"
    """Distributions over the whole vocabulary, or over the tokens of past answers, as Avalanche
    restricts them to past classes; "answered" reads a domain's answers once more after it."""


class LwF(Distillation):
    """Distils the model as it was after the last domain."""

    name = "lwf"
    Options = LwFOptions

    def __init__(self, options: LwFOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._answered: Tensor | None = None
        """(tokens,) int64, sorted: the tokens of past answers, where only these are distilled."""

    def before_forward(self, trainer: TrainerView, **kwargs) -> None:
        if self.teacher.known:
            self._old = self.teacher.logits(trainer, trainer.mb_x)

    def drift(self, trainer: TrainerView) -> Tensor:
        new, old = upcast(trainer.mb_output), upcast(self._old)
        if self._answered is not None:
            targets = self._answered.to(new.device)
            new, old = new[:, targets], old[:, targets]
        return divergence(new, old, self.options.temperature)

    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        super().after_training_exp(trainer, **kwargs)
        if self.options.tokens == "answered":
            answered_parts = [] if self._answered is None else [self._answered]
            for batch in batches_over(trainer, trainer.experience.dataset):
                answered_parts.append(batch.targets().unique().cpu())
            self._answered = torch.cat(answered_parts).unique()

    def state_bytes(self) -> int:
        return super().state_bytes() + (0 if self._answered is None else self._answered.nbytes)

    def state_dict(self) -> dict[str, Any]:
        answered = {} if self._answered is None else {"answered": self._answered}
        return {**super().state_dict(), **answered}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state, dataset_of)
        self._answered = state["answered"].clone() if "answered" in state else None


def divergence(new: Tensor, old: Tensor, temperature: float) -> Tensor:
    """The mean over (n, vocab) rows of KL(softmax(old / T) || softmax(new / T)), in nats."""
    return nn.functional.kl_div(
        (new / temperature).log_softmax(dim=1),
        (old / temperature).softmax(dim=1),
        reduction="batchmean",
    )
