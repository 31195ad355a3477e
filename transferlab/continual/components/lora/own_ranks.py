"""The ranks of one LoRA adapter shared out among the domains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transferlab.continual.components.lora.layers import lora_layers
from transferlab.continual.components.parameter_blocks import Blocks, OwnBlocks
from transferlab.core.lazy import torch
from transferlab.core.protocols import LoRALayer
from transferlab.errors import ModelError

if TYPE_CHECKING:
    from transferlab.continual.components.trainer_view import TrainerView


class OwnRanks(OwnBlocks):
    """Lets a domain train ranks of its own, A_k and B_k; ``options`` has ``rank_per_domain``."""

    def __init__(self, options: Any, *, seed: int) -> None:
        super().__init__(options, seed=seed)
        self._layers: list[LoRALayer] = []

    @property
    def rank(self) -> int:
        """Of the adapter, where it has least."""
        return min(one.down.shape[0] for one in self._layers)

    def before_training_exp(self, trainer: TrainerView, **kwargs) -> None:
        """
        Raises:
            ModelError: something other than LoRA matrices is trained, or the ranks are used up.
        """
        self._layers = lora_layers(trainer, strategy=self.name)
        end = self._used + self.options.rank_per_domain
        if trainer.settings.epochs and self.rank < end:
            raise ModelError(
                f"strategy.{self.name}: domain '{trainer.settings.domain}' needs ranks up to {end} "
                f"and the adapter has {self.rank}; raise backbone.adapter.rank or lower "
                "rank_per_domain"
            )
        self._mine = slice(self._used, end)

    def blocks(self, trainer: TrainerView) -> Blocks:
        downs: Blocks = [(one.down, lambda rows: rows) for one in self._layers]
        return downs + [(one.up, torch.t) for one in self._layers]
