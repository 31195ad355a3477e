"""Tiny random models of the Gemma families."""

from __future__ import annotations

from typing import Any

import torch
import transformers as hf
from family_parts import Made, ids, text, tokenizer, turns, vision


def gemma3() -> Made:
    words = tokenizer(boi_token="<boi>", eoi_token="<eoi>", image_token="<soft>")
    processor = hf.Gemma3Processor(
        hf.Gemma3ImageProcessor(size={"height": 56, "width": 56}),
        words,
        image_seq_length=4,
        chat_template=turns("<boi>"),
    )
    config = hf.Gemma3Config(
        text_config=text(words, sliding_window=64, query_pre_attn_scalar=16),
        vision_config=vision(vision_use_head=False),
        mm_tokens_per_image=4,
        **ids(words, boi_token_index="<boi>", eoi_token_index="<eoi>", image_token_index="<soft>"),
    )
    model = hf.Gemma3ForConditionalGeneration(config)
    with torch.no_grad():
        # Zeros at birth, which would hide the picture.
        model.model.multi_modal_projector.mm_input_projection_weight.normal_()
    return model, processor


def paligemma() -> Made:
    words = tokenizer(image_token="<image>")
    images = hf.SiglipImageProcessor(size={"height": 56, "width": 56})
    images.image_seq_length = 16
    processor = hf.PaliGemmaProcessor(images, words)
    config = hf.PaliGemmaConfig(
        text_config=text(words) | {"model_type": "gemma"},
        vision_config=vision(vision_use_head=False, projection_dim=32)
        | {"model_type": "siglip_vision_model"},
        projection_dim=32,
        **ids(words, image_token_index="<image>"),
    )
    return hf.PaliGemmaForConditionalGeneration(config), processor


def gemma4() -> Made:
    """Pictures keep their shape, in at most 70 tokens; a small embedding per layer."""
    words = tokenizer(
        image_token="<|image|>",
        boi_token="<boi>",
        eoi_token="<eoi>",
        audio_token="<|audio|>",
        boa_token="<boa>",
        eoa_token="<eoa>",
    )
    patches = {"patch_size": 8, "pooling_kernel_size": 2}
    processor = hf.Gemma4Processor(
        hf.Gemma4AudioFeatureExtractor(),
        hf.Gemma4ImageProcessor(max_soft_tokens=70, **patches),
        words,
        hf.Gemma4VideoProcessor(max_soft_tokens=70, **patches),
        chat_template=turns("<|image|>"),
    )
    words = processor.tokenizer  # with the video token that the processor adds
    config = hf.Gemma4Config(
        text_config=text(
            words,
            layer_types=["sliding_attention", "full_attention"],
            global_head_dim=16,
            sliding_window=64,
            vocab_size_per_layer_input=len(words),
            hidden_size_per_layer_input=8,
        ),
        vision_config=vision(head_dim=16, num_key_value_heads=2, position_embedding_size=64)
        | patches,
        audio_config=None,
        **ids(
            words,
            image_token_id="<|image|>",
            video_token_id="<|video|>",
            audio_token_id="<|audio|>",
            boi_token_id="<boi>",
            eoi_token_id="<eoi>",
        ),
    )
    return hf.Gemma4ForConditionalGeneration(config), processor


def gemma3n() -> Made:
    """Its vision tower is one of timm's: here a small ConvNeXt in place of MobileNetV5."""
    words = tokenizer(
        image_token="<image_soft_token>",
        boi_token="<boi>",
        eoi_token="<eoi>",
        audio_token="<audio_soft_token>",
        boa_token="<boa>",
        eoa_token="<eoa>",
    )
    config = hf.Gemma3nConfig(
        **_gemma3n_parts(words),
        audio_soft_tokens_per_image=13,
        vision_soft_tokens_per_image=4,
        **ids(
            words,
            image_token_id="<image_soft_token>",
            audio_token_id="<audio_soft_token>",
            boi_token_id="<boi>",
            eoi_token_id="<eoi>",
            boa_token_id="<boa>",
            eoa_token_id="<eoa>",
        ),
    )
    return hf.Gemma3nForConditionalGeneration(config), _gemma3n_processor(words)


def _gemma3n_processor(words: Any) -> hf.Gemma3nProcessor:
    size = {"height": 64, "width": 64}
    return hf.Gemma3nProcessor(
        hf.Gemma3nAudioFeatureExtractor(feature_size=16),
        hf.SiglipImageProcessor(size=size, image_mean=[0.0] * 3, image_std=[1.0] * 3),
        words,
        chat_template=turns("<image_soft_token>", sound="<audio_soft_token>"),
        audio_seq_length=13,
        image_seq_length=4,
    )


def _gemma3n_parts(words: Any) -> dict[str, Any]:
    """Words come first in the vocabulary, then what is only seen, then what is only heard."""
    return {
        "text_config": text(
            words,
            vocab_size=len(words) + 8,
            num_hidden_layers=4,
            layer_types=["sliding_attention", "full_attention"] * 2,
            num_kv_shared_layers=2,
            sliding_window=64,
            hidden_size_per_layer_input=8,
            vocab_size_per_layer_input=len(words),
            altup_num_inputs=2,
            laurel_rank=4,
        ),
        "vision_config": {
            "architecture": "test_convnext",
            "hidden_size": 64,
            "vocab_offset": len(words),
            "vocab_size": 4,
        },
        "audio_config": {
            "vocab_offset": len(words) + 4,
            "vocab_size": 4,
            "input_feat_size": 16,
            "hidden_size": 32,
            "conf_num_attention_heads": 2,
            "conf_num_hidden_layers": 1,
            "conf_attention_chunk_size": 4,
            "conf_attention_context_left": 5,
            "sscp_conv_channel_size": (8, 4),
        },
    }
