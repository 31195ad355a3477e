"""A mixture of LoRA experts (MoELoRA, Chen et al. 2024), token by token, in every adapted layer:

    W x + scale * sum over experts e of  n g_e(x) B_e A_e x,    g(x) = softmax(G x)

with the ranks of one adapter in n equal blocks. All of it is trained on every domain, or, with
``experts_per_domain``, domain d trains A_e, B_e and the rows G_e of blocks of its own, and those of
past domains stand still (as in Lifelong-MoE, Chen et al. 2023). B_e and G_e start at zero, so an
expert that no domain has trained yet adds nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from transferlab.continual.components.parameter_blocks import Blocks, OwnBlocks
from transferlab.continual.options.isolation import MoELoRAOptions
from transferlab.core.protocols import ExpertLayer
from transferlab.errors import ModelError

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


class MoELoRA(OwnBlocks):
    """Says which experts a domain trains; the mixture itself is in the adapter."""

    def __init__(self, options: MoELoRAOptions, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._layers: list[ExpertLayer] = []

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        """
        Raises:
            ModelError: the adapter has no experts, or they are used up.
        """
        self._layers = layers = trainer.backbone.expert_layers()
        if not layers:
            raise ModelError(
                "strategy.moe_lora needs an adapter of experts, and this backbone has none; set "
                "backbone.adapter: {kind: lora, experts: 4}"
            )
        experts, each = layers[0].gate.shape[0], self.options.experts_per_domain
        end = experts if each is None else self._used + each
        if trainer.settings.epochs and end > experts:
            raise ModelError(
                f"strategy.moe_lora: domain '{trainer.settings.domain}' needs experts up to {end} "
                f"and the adapter has {experts}; raise backbone.adapter.experts or lower "
                "experts_per_domain"
            )
        self._mine = slice(0 if each is None else self._used, end)

    def blocks(self, trainer: TrainerView) -> Blocks:
        if self.options.experts_per_domain is None:
            return []
        return [pair for one in self._layers for pair in _by_expert(one)]


def _by_expert(layer: ExpertLayer) -> Blocks:
    experts = layer.gate.shape[0]

    def ranks_first(rows: Tensor) -> Tensor:
        return rows.unflatten(0, (experts, -1))

    return [
        (layer.down, ranks_first),
        (layer.up, lambda columns: ranks_first(columns.T)),
        (layer.gate, lambda rows: rows),
    ]
