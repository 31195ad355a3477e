"""What both other ways of fusion begin with: a vision tower's features that say where they are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlavaConfig, PreTrainedConfig


class FeaturePositions(nn.Module):
    """Features of a picture's places, normed, each with a vector of its place.

    A projector's tokens stand in the order of their places. Queries and words that attend to places
    see no order, so it is added.
    """

    def __init__(self, config: PreTrainedConfig) -> None:
        """``config``: with ``vision_config`` and ``places``, the number of its features."""
        super().__init__()
        width = config.vision_config.hidden_size
        self.norm = nn.LayerNorm(width)
        # A parameter, since transformers would begin an embedding near zero, where every place is
        # alike for the first thousand steps.
        self.places = nn.Parameter(0.5 * torch.randn(config.places, width))

    def forward(self, image_features: Tensor) -> Tensor:
        """(pictures, places, width) of the same."""
        return self.norm(image_features) + self.places


def subconfigs(config: LlavaConfig) -> tuple[Any, Any]:
    """The configurations of the vision tower and of the language model, whatever their classes."""
    return config.vision_config, config.text_config
