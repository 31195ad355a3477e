"""What both other ways of fusion begin with: a vision tower's features that say where they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig


class Places(nn.Module):
    """Features of a picture's places, each with a vector of its place, as wide as words are.

    A projector's tokens stand in the order of their places. Queries and words that attend to places
    see no order, so it is added.
    """

    def __init__(self, config: PreTrainedConfig) -> None:
        """``config``: with ``places``, the number of the tower's, ``vision_config`` and
        ``text_config``."""
        super().__init__()
        width = config.vision_config.hidden_size
        self.norm = nn.LayerNorm(width)
        # A parameter, since transformers would begin an embedding near zero, where every place is
        # alike for the first thousand steps.
        self.places = nn.Parameter(0.5 * torch.randn(config.places, width))
        self.linear = nn.Linear(width, config.text_config.hidden_size)

    def forward(self, image_features: Tensor) -> Tensor:
        """(pictures, places, text width) of (pictures, places, vision width)."""
        return self.linear(self.norm(image_features) + self.places)
