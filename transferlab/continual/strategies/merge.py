"""Merging after the fact: one adapter per domain from the same start, put together by peft.

Every adapter is taken as its difference from the start (its task vector). After each domain the
parameters are the start plus the merged differences of all domains so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

from pydantic import Field, model_validator

from transferlab.continual.components.quadratic_penalty import flatten, unflatten
from transferlab.continual.components.strategy import DatasetOf
from transferlab.continual.options.base import Needs, PositiveFloat, StrategyOptions
from transferlab.continual.strategies.from_scratch import FromScratch
from transferlab.core.lazy import no_grad, torch
from transferlab.core.protocols import MergesAdapters

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView

DENSITY = 0.5


class MergeOptions(StrategyOptions):
    """Every domain trains an adapter from the same start; they are merged after the fact.

    Merged by peft, each adapter as its difference from the start.
    """

    family: ClassVar[str] = "averaging"
    paper: ClassVar[str] = (
        "linear: Ilharco et al. 2023, arXiv:2212.04089; ties: Yadav et al. 2023, "
        "arXiv:2306.01708; dare: Yu et al. 2024, arXiv:2311.03099"
    )
    use: ClassVar[str] = (
        "Where domains are trained in different places, or one must be taken out again; domains "
        "learn nothing from one another."
    )
    needs: ClassVar[Needs] = Needs(
        backbone_method="merge",
        keeps="the first values of the trainable parameters",
        copies=1,
        moves_parameters="to their first values before each domain, to merged ones after it",
        grows="one adapter per domain is kept",
        copies_per_domain=True,
    )

    method: Literal["linear", "ties", "dare_linear", "dare_ties"] = "ties"
    """linear adds them up; ties drops small values and those against the majority's sign;
    dare drops values at random and scales the rest up."""
    weight: PositiveFloat | None = None
    """Of every adapter; None means 1 / domains for linear and dare_linear, and 1 for the others."""
    density: Annotated[float, Field(gt=0, le=1)] | None = None
    """Methods other than linear: the share of values that is kept; None means 0.5."""

    @model_validator(mode="after")
    def _density_has_a_use(self) -> MergeOptions:
        if self.density is not None and self.method == "linear":
            raise ValueError("density: method 'linear' keeps everything; remove it")
        return self


class Merge(FromScratch):
    """Trains from the start, merges at the end."""

    name = "merge"
    Options: ClassVar[type[StrategyOptions]] = MergeOptions

    def __init__(self, options: MergeOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._vectors: list[Tensor] = []
        """Per trained domain, (trainable parameters,) float32: what was learned from the start."""

    @no_grad
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        first = self.first.to(trainer.device)
        if trainer.settings.epochs:
            self._vectors.append(flatten(trainer.trainable) - first)
        if not self._vectors:
            return
        vectors = [vector.to(trainer.device) for vector in self._vectors]
        tensors = [unflatten(vector, trainer.trainable) for vector in vectors]
        count, method = len(vectors), self.options.method
        shared = 1.0 / count if method in ("linear", "dare_linear") else 1.0
        merged = cast(MergesAdapters, trainer.backbone).merge(
            list(zip(*tensors, strict=True)),
            method=method,
            weights=[self.options.weight or shared] * count,
            density=self.options.density or DENSITY,
        )
        torch._foreach_copy_(trainer.trainable, unflatten(first, trainer.trainable))
        torch._foreach_add_(trainer.trainable, merged)

    def state_bytes(self) -> int:
        return super().state_bytes() + sum(vector.nbytes for vector in self._vectors)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "vectors": [one.cpu() for one in self._vectors]}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state, dataset_of)
        self._vectors = [one.clone() for one in state["vectors"]]
