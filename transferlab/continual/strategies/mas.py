"""Memory aware synapses (Aljundi et al. 2018).

A parameter's importance is the mean over samples of |d ||f(x)||^2 / d theta|, with f(x) the logits
at a supervised position, averaged over a sample's positions; no answer is looked at. The anchor is
where the last domain left the parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from transferlab.continual.components.fisher import mean_over_samples
from transferlab.continual.components.gradients import (
    batches_over,
    collate,
    evaluation_mode,
    gradient,
    per_sample,
    training_precision,
    upcast,
)
from transferlab.continual.components.quadratic_penalty import QuadraticPenalty, flatten
from transferlab.continual.options.base import Needs
from transferlab.continual.options.penalty import TWO_NUMBERS, PenaltyOptions
from transferlab.core.batch import Batch
from transferlab.core.lazy import no_grad, torch

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


class MASOptions(PenaltyOptions):
    """Memory aware synapses: a parameter is as important as the output is sensitive to it."""

    family: ClassVar[str] = "penalty"
    paper: ClassVar[str] = "Aljundi et al. 2018, arXiv:1711.09601"
    use: ClassVar[str] = (
        "As ewc, where answers are unreliable: it looks at the model's outputs and at no answer."
    )
    needs: ClassVar[Needs] = Needs(
        keeps=TWO_NUMBERS,
        copies=2,
        extra_passes="one forward and backward over a domain's samples, after it",
        adds_gradient=True,
        anchors=True,
    )

    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """The share of the old importances at each new domain; the new ones have the rest."""
    variant: Literal["paper", "avalanche"] = "paper"
    """"paper" averages the magnitudes of per-sample gradients; "avalanche" takes the magnitude of
    mini-batch means, with dropout where the model has some."""


class MAS(QuadraticPenalty):
    """Importances from the sensitivity of the logits."""

    name = "mas"
    Options = MASOptions

    @no_grad
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        with torch.enable_grad():
            found = sensitivity(trainer) if self.options.variant == "paper" else stock(trainer)
        new, alpha = self.calibrate(trainer, found), self.options.alpha
        old = self._importance
        self._importance = new if old is None else alpha * old + (1 - alpha) * new
        self._anchor = flatten(trainer.trainable)


def sensitivity(trainer: TrainerView) -> Tensor:
    """(trainable parameters,) float32: the mean over samples of the gradient's magnitude."""

    def squared_norms(logits: Tensor, batch: Batch) -> Tensor:
        return per_sample(upcast(logits).square().sum(dim=1), batch).sum()

    with evaluation_mode(trainer.model):
        return mean_over_samples(
            trainer.model,
            batches_over(trainer, trainer.experience.dataset),
            loss=squared_norms,
            fold=torch.abs,
            precision=training_precision(trainer),
        )


def stock(trainer: TrainerView) -> Tensor:
    """Avalanche's: magnitudes of gradients of mini-batch means, averaged over mini-batches."""
    trainer.model.train()
    dataset, size = trainer.experience.dataset, trainer.train_mb_size
    starts = range(0, len(dataset), size)
    total = torch.zeros_like(flatten(trainer.trainable))
    for start in starts:
        batch = collate(trainer, dataset, range(start, min(start + size, len(dataset))))[0]
        total += flatten(gradient(trainer, batch, mean_squared_norm, again=True)[1]).abs()
    return total / len(starts)


def mean_squared_norm(logits: Tensor, targets: Tensor, batch: Batch) -> Tensor:
    return upcast(logits).square().sum(dim=1).mean()
