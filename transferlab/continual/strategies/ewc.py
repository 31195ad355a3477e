"""Elastic weight consolidation (Kirkpatrick et al. 2017; "online": Schwarz et al. 2018).

The loss on a new domain gains

    penalty = strength * sum over past domains k and parameters i of  F_ki (theta_i - theta*_ki)^2

with F_k the Fisher diagonal after domain k, and theta*_k the parameters then. A sum of parabolas is
a parabola: with F = sum_k F_k and the anchor c = sum_k F_k theta*_k / F, the penalty is
strength * (sum F (theta - c)^2 + constant). So both modes keep two numbers per trainable parameter,
however long the stream is. Mode "online" weakens F by ``decay`` at each new domain and moves the
anchor to the latest parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from transferlab.continual.components.fisher import exact_fisher
from transferlab.continual.components.gradients import (
    batches_over,
    collate,
    evaluation_mode,
    gradient,
    training_precision,
)
from transferlab.continual.components.quadratic_penalty import QuadraticPenalty, flatten
from transferlab.continual.options.base import Needs, PositiveInt, Strength
from transferlab.continual.options.penalty import TWO_NUMBERS, PenaltyOptions
from transferlab.core.lazy import enable_grad, no_grad, torch
from transferlab.core.seeding import derive_seed

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.avalanche_api import AvalancheDataset
    from transferlab.continual.components.trainer_view import TrainerView

SUBSET, LABELS = 1, 2


class EWCOptions(PenaltyOptions):
    """Elastic weight consolidation: a quadratic penalty weighted with the Fisher information."""

    family: ClassVar[str] = "penalty"
    paper: ClassVar[str] = (
        "Kirkpatrick et al. 2017, arXiv:1612.00796; mode online: Schwarz et al. 2018, "
        "arXiv:1805.06370"
    )
    use: ClassVar[str] = (
        "Where no sample of a past domain may be kept: it keeps two numbers per trainable "
        "parameter. It protects best when domains have much in common."
    )
    needs: ClassVar[Needs] = Needs(
        keeps=TWO_NUMBERS,
        copies=2,
        extra_passes="one forward and backward over a domain's samples, after it",
        adds_gradient=True,
        anchors=True,
    )

    strength: Strength = 100.0
    """The penalty is strength * sum F (theta - theta*)^2. A number's meaning depends on `fisher`
    and `labels`. "auto" counts in units: one unit costs as much as one nat by which the answers'
    token distributions of a past domain would diverge along a signed step, so that it means the
    same whatever the batch size, the adapter's rank and the domain."""
    mode: Literal["separate", "online"] = "online"
    """"separate" keeps a penalty per past domain, "online" one whose anchor is the latest."""
    decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """Mode "online": what is left of the old importances at each new domain; None means 1."""
    fisher: Literal["exact", "batch"] = "exact"
    """"exact" squares per-sample gradients; "batch" squares mini-batch means, as Avalanche does."""
    labels: Literal["data", "model"] | None = None
    """Fisher "exact": the answers of the data (None means these) or tokens drawn from the model."""
    fisher_samples: PositiveInt | None = None
    """At most so many samples, drawn with the run's seed, are used per domain; None uses all."""

    @model_validator(mode="after")
    def _no_option_is_ignored(self) -> EWCOptions:
        if self.decay is not None and self.mode != "online":
            raise ValueError(f"decay: mode '{self.mode}' has none; remove it or set mode: online")
        if self.labels is not None and self.fisher != "exact":
            raise ValueError(
                f"labels: fisher '{self.fisher}' takes the data's answers; remove it or set "
                "fisher: exact"
            )
        return self


class EWC(QuadraticPenalty):
    """The penalty with the exact Fisher, or with that of Avalanche's plugin."""

    name = "ewc"
    Options = EWCOptions

    @no_grad
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        """Measure what the domain needs, and add it to what earlier ones need."""
        new = self.calibrate(trainer, self.importance_of(trainer))
        here = flatten(trainer.trainable)
        if self._importance is None or self._anchor is None:
            self._importance, self._anchor = new, here
        elif self.options.mode == "online":
            self._importance, self._anchor = (
                self._importance.mul_(self.options.decay or 1.0) + new,
                here,
            )
        else:
            self._add_parabola(self._importance, self._anchor, new, here)

    def _add_parabola(self, old: Tensor, anchor: Tensor, new: Tensor, here: Tensor) -> None:
        """F1 (t - c1)^2 + F2 (t - c2)^2 = F (t - c)^2 + (F1 F2 / F) (c1 - c2)^2."""
        both = old + new
        # Where no domain needs a parameter, the anchor is of no consequence.
        weight = torch.where(both > 0, new / both, 0.0)
        shift = here - anchor
        self._constant += float((old * weight).dot(shift.square()))
        self._anchor = anchor + weight * shift
        self._importance = both

    @enable_grad
    def importance_of(self, trainer: TrainerView) -> Tensor:
        """The importance of every trainable parameter for the current experience, float32."""
        count = trainer.clock.train_exp_counter
        dataset = self._subset(trainer.experience.dataset, count)
        with evaluation_mode(trainer.model):
            if self.options.fisher == "batch":
                return _batch_fisher(trainer, dataset)
            drawn = self.options.labels == "model"
            return exact_fisher(
                trainer.model,
                batches_over(trainer, dataset),
                generator=self._generator(count, LABELS) if drawn else None,
                precision=training_precision(trainer),
            )

    def _subset(self, dataset: AvalancheDataset, experience: int) -> AvalancheDataset:
        limit = self.options.fisher_samples
        if limit is None or limit >= len(dataset):
            return dataset
        order = torch.randperm(len(dataset), generator=self._generator(experience, SUBSET))
        return dataset.subset(sorted(order[:limit].tolist()))

    def _generator(self, experience: int, purpose: int) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.seed, experience, purpose))


def _batch_fisher(trainer: TrainerView, dataset: AvalancheDataset) -> Tensor:
    """Squared gradients of mini-batch means, averaged over mini-batches of a step's size."""
    total = torch.zeros_like(flatten(trainer.trainable))
    starts = range(0, len(dataset), trainer.train_mb_size)
    for start in starts:
        rows = range(start, min(start + trainer.train_mb_size, len(dataset)))
        batch = collate(trainer, dataset, rows)[0]
        total += flatten(gradient(trainer, batch, again=True)[1]).square()
    return total / len(starts)
