"""What both other ways of fusion begin with: a vision tower's features that say where they are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlavaConfig, PreTrainedConfig


class FeaturePositions(nn.Module):
    """Features of a picture, normed, each with an embedding of its position.

    A projector's tokens stand in the order of their positions. Queries and words that attend to
    features see no order, so it is added.
    """

    def __init__(self, config: PreTrainedConfig) -> None:
        """``config``: with ``vision_config`` and ``num_image_positions``."""
        super().__init__()
        width = config.vision_config.hidden_size
        self.norm = nn.LayerNorm(width)
        # A parameter, since transformers would begin an embedding near zero, where every place is
        # alike for the first thousand steps.
        self.position_embeddings = nn.Parameter(
            0.5 * torch.randn(config.num_image_positions, width)
        )

    def forward(self, image_features: Tensor) -> Tensor:
        """(pictures, positions, width) of the same."""
        return self.norm(image_features) + self.position_embeddings


def subconfigs(config: LlavaConfig) -> tuple[Any, Any]:
    """The configurations of the vision tower and of the language model, whatever their classes."""
    return config.vision_config, config.text_config
