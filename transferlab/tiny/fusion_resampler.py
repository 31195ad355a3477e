"""Fusion by a Q-Former: a few queries read the picture, and stand among the words in its stead."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import (
    Blip2QFormerConfig,
    Blip2QFormerModel,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from transferlab.tiny.fusion_positions import FeaturePositions, subconfigs


class ResamplerConfig(LlavaConfig):
    """A LLaVA's, whose ``image_seq_length`` is the number of queries."""

    model_type = "transferlab_resampler"

    num_image_positions: int = 49
    """Of the vision tower's features."""
    query_layers: int = 2
    """Each of self-attention, cross-attention and a feed-forward layer."""
    query_heads: int = 6
    query_intermediate_size: int = 384


class Resampler(nn.Module):
    """BLIP-2's Q-Former over the features of a picture (Li et al. 2023)."""

    def __init__(self, config: ResamplerConfig) -> None:
        super().__init__()
        vision, text = subconfigs(config)
        width = text.hidden_size
        self.feature_positions = FeaturePositions(config)
        self.queries = nn.Parameter(torch.randn(config.image_seq_length, width))
        self.qformer = Blip2QFormerModel._from_config(
            Blip2QFormerConfig(
                hidden_size=width,
                encoder_hidden_size=vision.hidden_size,
                num_hidden_layers=config.query_layers,
                num_attention_heads=config.query_heads,
                intermediate_size=config.query_intermediate_size,
                cross_attention_frequency=1,
                # Nothing random in a step: a resumed run ends as an unbroken one.
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            )
        )
        self.linear = nn.Linear(width, width)

    def forward(self, image_features: Tensor) -> Tensor:
        """(pictures, queries, text width) of (pictures, positions, vision width)."""
        queries = self.queries.expand(len(image_features), -1, -1)
        read = self.qformer(
            query_embeds=queries, encoder_hidden_states=self.feature_positions(image_features)
        ).last_hidden_state
        return self.linear(read)


class ResamplerForConditionalGeneration(LlavaForConditionalGeneration):
    """A LLaVA with a Q-Former where its projector is."""

    config_class = ResamplerConfig

    def __init__(self, config: ResamplerConfig) -> None:
        super().__init__(config)
        self.model.multi_modal_projector = Resampler(config)
        self.post_init()
