"""Regularised LoRA (Chen et al. 2025, RegLoRA of SEFE), inside one adapter.

Domain k's update of a layer is dW_k = B_k A_k, with ranks of its own; those of past domains stand
still, as if they had been melted into the weight. After it, the share p of dW_k's elements that are
largest in size are key elements, R = R_1 u ... u R_k, and the loss of later domains gains

    strength * mean over layers of  (mean over (i, j) in R of  |dW_ij|)

with dW the new domain's update. Its gradient, strength / layers / |R| * sign(dW) on R, goes to A
and B after the backward pass. SEFE's other half, answers rewritten in several styles, is a matter
of a domain's data and none of this strategy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from transferlab.continual.components.gradients import gradients_of
from transferlab.continual.components.lora.own_ranks import OwnRanks
from transferlab.continual.components.strategy import DatasetOf
from transferlab.continual.options.base import Needs, PositiveFloat
from transferlab.continual.options.ranks import RankOptions
from transferlab.core.lazy import no_grad, torch
from transferlab.core.protocols import LoRALayer
from transferlab.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from transferlab.continual.components.trainer_view import TrainerView


class RegLoRAOptions(RankOptions):
    """Key elements: what past domains changed most in the weights is left alone, by a penalty.

    The adapter's ranks are shared out: a domain trains `rank_per_domain` of them, those of past
    domains are frozen, and what the new ones would change at key elements of past updates is
    penalised. The scale of the adapter is that of its whole rank.
    """

    family: ClassVar[str] = "isolation"
    paper: ClassVar[str] = "Chen et al. 2025 (SEFE), arXiv:2505.02486"
    use: ClassVar[str] = (
        "As o_lora, where what past domains wrote into single elements of the weights matters more "
        "than the directions of their inputs; the same domain may be told in several answer styles "
        "beside it, as its paper does."
    )
    needs: ClassVar[Needs] = Needs(
        backbone_method="lora_layers",
        keeps="the places of key elements, 4 bytes each",
        grows="those places, key_share of every adapted weight per domain at most",
        adds_gradient=True,
        projects_gradient=True,
    )

    strength: PositiveFloat = 2500.0
    """The paper's lambda: weight of the mean absolute change at key elements."""
    key_share: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """The paper's M: the share of a weight's elements that become key elements with every
    domain."""


class RegLoRA(OwnRanks):
    """Holds new updates down where past ones were largest."""

    name = "reglora"
    Options = RegLoRAOptions

    def __init__(self, options: RegLoRAOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._keys: list[Tensor] = []
        """Per layer, (n,) int32, ascending: places in the flattened (out, in) weight."""

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        super().before_training_exp(trainer, **kwargs)
        if self._keys and len(self._keys) != len(self._layers):
            raise ModelError(
                f"the reglora state in the checkpoint is about {len(self._keys)} layers and the "
                f"adapter has {len(self._layers)}; resume with the adapter settings of the run "
                "that wrote it"
            )
        self._keys = [one.to(trainer.device) for one in self._keys]

    @no_grad
    def after_backward(self, trainer: TrainerView, **kwargs) -> None:
        penalty = torch.zeros((), device=trainer.device)
        for layer, keys in zip(self._layers, self._keys, strict=False):
            update = self._update(layer).flatten()
            changed, weight = update[keys], self.options.strength / len(self._layers) / len(keys)
            penalty += weight * changed.abs().sum()
            signs = torch.zeros_like(update).index_copy_(0, keys.long(), changed.sign())
            pull = signs.view(len(layer.up), -1)
            down, up = gradients_of([layer.down, layer.up])
            down[self._mine].add_(layer.up[:, self._mine].T @ pull, alpha=weight)
            up[:, self._mine].add_(pull @ layer.down[self._mine].T, alpha=weight)
        if self._keys:
            self.terms["reglora_penalty"] = penalty
        super().after_backward(trainer, **kwargs)

    def _update(self, layer: LoRALayer) -> Tensor:
        """(out, in): what the current domain adds to the weight, the adapter's scale left out."""
        return layer.up[:, self._mine] @ layer.down[self._mine]

    @no_grad
    def after_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        if trainer.settings.epochs:
            past = self._keys or [torch.zeros(0, dtype=torch.int32)] * len(self._layers)
            self._keys = [
                torch.cat([keys.to(trainer.device), self._largest(layer)]).unique()
                for layer, keys in zip(self._layers, past, strict=True)
            ]
        super().after_training_exp(trainer, **kwargs)

    def _largest(self, layer: LoRALayer) -> Tensor:
        sizes = self._update(layer).abs().flatten()
        count = max(1, int(self.options.key_share * len(sizes)))
        return sizes.topk(count).indices.int()

    def state_bytes(self) -> int:
        return sum(one.nbytes for one in self._keys)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "keys": [one.cpu() for one in self._keys]}

    def load_state_dict(self, state: Mapping[str, Any], dataset_of: DatasetOf) -> None:
        super().load_state_dict(state, dataset_of)
        self._keys = list(state["keys"])
