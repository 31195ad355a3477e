"""Tiny random models of the fusion study's own architectures, over a FocalNet tower."""

from __future__ import annotations

import transformers as hf
from family_parts import Made, ids, text, tokenizer, turns

from transferlab.tiny.fusion_cross_attention import (
    CrossAttentionConfig,
    CrossAttentionForConditionalGeneration,
)
from transferlab.tiny.fusion_resampler import (
    ResamplerConfig,
    ResamplerForConditionalGeneration,
)

SIDE = 56
TOWER = {
    "image_size": SIDE,
    "patch_size": 7,
    "embed_dim": 16,
    "hidden_sizes": [16, 32],
    "depths": [1, 1],
    "focal_levels": [1, 1],
    "focal_windows": [3, 3],
    "hidden_size": 32,
    "model_type": "focalnet",
}
"""4 x 4 places."""


def cross_attention() -> Made:
    """The second of three layers looks, through open gates."""
    words = tokenizer()
    config = CrossAttentionConfig(
        text_config=text(words, num_hidden_layers=3, cross_attention_layers=[1])
        | {
            "model_type": "mllama_text_model",
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        },
        image_seq_length=1,
        max_pictures=3,
        gate=1.0,
        **_shared(words),
    )
    return CrossAttentionForConditionalGeneration(config), _processor(words, tokens_side=1)


def resampler() -> Made:
    """Four queries."""
    words = tokenizer()
    config = ResamplerConfig(
        text_config=text(words) | {"model_type": "llama"},
        image_seq_length=4,
        query_layers=1,
        query_heads=2,
        query_intermediate_size=48,
        **_shared(words),
    )
    return ResamplerForConditionalGeneration(config), _processor(words, tokens_side=2)


def _shared(words):
    return {
        "vision_config": TOWER,
        "num_image_positions": 16,
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "full",
        **ids(words, image_token_index="<image>"),
    }


def _processor(words, *, tokens_side: int) -> hf.LlavaProcessor:
    return hf.LlavaProcessor(
        hf.SiglipImageProcessor(size={"height": SIDE, "width": SIDE}),
        words,
        patch_size=SIDE // tokens_side,
        vision_feature_select_strategy="full",
        chat_template=turns("<image>"),
    )
