"""Interference-free low-rank adaptation (Liang & Li 2024, InfLoRA), inside one adapter.

A low-rank update is a sum over ranks, B A = sum_r b_r a_r^T. Before domain k, its rows A_k are set
to the leading directions of its inputs X_k in each layer, across those that past domains need,

    A_k = the first r left singular vectors of  (I - M M^T) X_k,  transposed,

and stand still; B_k alone is trained. So what domain k learns lies in the space of its own inputs
and says nothing about inputs in M. After domain k (t = k - 1 of T), M takes up as many leading
directions of what is left of X_k as it takes to hold the share eps + (1 - eps) t / T of its energy
(gradient projection memory, kept by its columns or by those across them, whichever are fewer).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from transferlab.continual.components.lora.designed_ranks import DesignedRanks
from transferlab.continual.components.lora.layers import input_moments
from transferlab.continual.options.base import Needs, PositiveInt
from transferlab.continual.options.ranks import RankOptions

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


class InfLoRAOptions(RankOptions):
    """Interference-free LoRA: input directions set before a domain, across those of past domains.

    The adapter's ranks are shared out: a domain's directions are those of its own inputs that past
    domains do not need, and only what is made of them is trained. Past ranks stand still. The scale
    of the adapter is that of its whole rank.
    """

    family: ClassVar[str] = "isolation"
    paper: ClassVar[str] = "Liang & Li 2024, arXiv:2404.00228"
    use: ClassVar[str] = (
        "As o_lora, where past domains shall not be touched at all and a pass over a domain before "
        "and after it can be paid, with an eigendecomposition per layer."
    )
    needs: ClassVar[Needs] = Needs(
        backbone_method="lora_layers",
        keeps="directions of every layer's inputs, at most half as many as it has inputs",
        extra_passes="a domain's samples forward, before it and after it",
        grows="those directions, up to their bound",
        projects_gradient=True,
        moves_parameters="to directions of its own before each domain",
    )

    energy: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """The paper's eps: the share of the first domain's input energy that is left alone from then
    on. It rises to 1 over as many domains as the adapter has ranks for."""
    subspace_samples: PositiveInt = 64
    """At most so many samples of a domain are looked at, spread evenly over it."""


class InfLoRA(DesignedRanks):
    """Wants a domain's own inputs, across those of past domains."""

    name = "inflora"
    Options = InfLoRAOptions
    row_norm = 3**-0.5
    """About that of LoRA's own first rows."""

    def wanted(self, trainer: TrainerView) -> list[Tensor]:
        return input_moments(trainer, self._layers, samples=self.options.subspace_samples)

    def energy(self) -> float:
        each = self.options.rank_per_domain
        past, most = max(0, self._used // each - 1), max(1, self.rank // each)
        return self.options.energy + (1 - self.options.energy) * past / most
