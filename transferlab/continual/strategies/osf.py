"""Orthogonal subspace fine-tuning (Nayak et al. 2025), on an adapter of peft's kind osf.

A weight is split by its singular values: W = P + U diag(s) V, with P its largest directions, which
no domain changes, and U, s, V trained across P. After domain d the trained part is decomposed anew,

    U diag(s) V = sum_i s_i u_i v_i^T,    s_1 >= s_2 >= ...

and its first k_d directions stand still as P does; the next domain trains the others, across P and
across them. As both parts are orthogonal, that is the decomposition of the whole merged weight, and
the values of U, s and V hold all of it: the adapter stays one that peft saves, loads and melts in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

from pydantic import Field

from transferlab.config.pipeline import PipelineConfig
from transferlab.continual.components.gradients import gradients_of
from transferlab.continual.components.strategy import DatasetOf, Strategy
from transferlab.continual.options.base import Needs, StrategyOptions
from transferlab.core.lazy import no_grad, torch
from transferlab.core.protocols import SplitsWeights, SplitWeight
from transferlab.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


class OSFOptions(StrategyOptions):
    """Orthogonal subspaces of the weights themselves: each domain adds directions that stay.

    An adapter of kind osf trains the smaller singular directions of a weight. After each domain
    what it has learned is taken apart again, its largest directions stand still from then on, and
    the next domain trains the rest, across all that stands still. Export is that of the adapter.
    """

    family: ClassVar[str] = "isolation"
    paper: ClassVar[str] = "Nayak et al. 2025, arXiv:2504.07097; the adapter is PEFT's OSF"
    use: ClassVar[str] = (
        "For a stream whose length is known and where no sample may be kept, with room for as many "
        "trained parameters as the layers have: it has the whole weight to share out, not a rank."
    )
    needs: ClassVar[Needs] = Needs(
        backbone_method="split_weights",
        projects_gradient=True,
        moves_parameters="into another basis after each domain",
    )

    share_per_domain: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Of a weight's directions, min(in, out), so many more stand still after each domain; at least
    one. Every layer has the same share, as in PEFT."""

    def misfits(self, config: PipelineConfig) -> Iterator[str]:
        adapter = config.backbone.adapter
        if adapter is None or adapter.kind != "osf":
            kind = "null" if adapter is None else f"of kind '{adapter.kind}'"
            yield (
                f"shares out the directions that an adapter of kind osf splits off, and "
                f"backbone.adapter is {kind}; set backbone.adapter: {{kind: osf}}"
            )
            return
        still = self.share_per_domain * (len(config.stream) - 1)
        most = 1 - adapter.effective_fraction
        if still >= most:
            yield (
                f"share_per_domain: the last of {len(config.stream)} domains would have nothing to "
                f"train, as {still:g} stands still by then and backbone.adapter.preserved_fraction "
                f"leaves {most:g}; lower one of them"
            )


class OSF(Strategy):
    """Preserves more directions of every weight after each domain."""

    name = "osf"
    Options = OSFOptions

    def __init__(self, options: OSFOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._past = 0
        """Trained domains so far."""
        self._weights: list[SplitWeight] = []
        self._still: list[tuple[Tensor, Tensor, Tensor]] = []
        """Per weight, the directions of past domains: (out, k), (k,) and (k, in)."""

    @no_grad
    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        """
        Raises:
            ModelError: the adapter splits no weights, or no direction is left to train.
        """
        self._weights = cast(SplitsWeights, trainer.backbone).split_weights()
        if not self._weights:
            raise ModelError(
                "strategy.osf needs weights that are split into directions, and this backbone has "
                "none; set backbone.adapter: {kind: osf}"
            )
        self._still = []
        for one in self._weights:
            count, trained = self._preserved(one), one.scale.numel()
            if trainer.settings.epochs and count >= trained:
                raise ModelError(
                    f"strategy.osf: domain '{trainer.settings.domain}' comes after {self._past} "
                    f"and a weight of {one.directions} directions has none left to train; lower "
                    "share_per_domain or backbone.adapter.preserved_fraction, or leave such small "
                    "layers out of backbone.adapter.targets"
                )
            still = (one.left[:, :count], one.scale[:count], one.right[:count])
            left, scale, right = (part.clone() for part in still)
            self._still.append((left, scale, right))

    def _preserved(self, one: SplitWeight) -> int:
        """How many of a weight's trained directions belong to past domains."""
        share = int(one.directions * self.options.share_per_domain * self._past)
        return max(share, self._past)

    @no_grad
    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        for one in self._weights:
            count = self._preserved(one)
            left, scale, right = gradients_of([one.left, one.scale, one.right])
            left[:, :count], scale[:count], right[:count] = 0, 0, 0

    @no_grad
    def after_update(self, trainer: TrainerView, **kwargs) -> None:
        # Peft bends the gradient, but a step of Adam is no multiple of it, and weight decay is
        # none at all: what the step did along preserved directions is taken back.
        for one, (left, scale, right) in zip(self._weights, self._still, strict=True):
            count = len(scale)
            columns, rows = one.free_left(one.left[:, count:]), one.free_right(one.right[count:])
            if count:
                one.left[:, :count], one.scale[:count], one.right[:count] = left, scale, right
                columns = columns - left @ (left.T @ columns)
                rows = rows - (rows @ right.T) @ right
            one.left[:, count:], one.right[count:] = columns, rows

    @no_grad
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        if trainer.settings.epochs:
            for one in self._weights:
                _decompose(one, after=self._preserved(one))
            self._past += 1
        self._weights, self._still = [], []

    def state_dict(self) -> dict[str, Any]:
        return {"past": self._past}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        self._past = int(state["past"])


def _decompose(one: SplitWeight, *, after: int) -> None:
    """Write left * scale @ right by its singular directions, largest first; the product stays.

    Args:
        one: whose factors are changed in place.
        after: so many directions in front are left as they are.
    """
    left, scale, right = one.left[:, after:], one.scale[after:], one.right[after:]
    left_basis, left_core = torch.linalg.qr(left.float())
    right_basis, right_core = torch.linalg.qr(right.float().T)
    # The singular values of a product of factors are those of its small core.
    turn, values, back = torch.linalg.svd(left_core * scale.float() @ right_core.T)
    left.copy_(left_basis @ turn)
    scale.copy_(values)
    right.copy_(back @ right_basis.T)
