"""Tiny random models of the Qwen families."""

from __future__ import annotations

from typing import Any

import transformers as hf
from family_parts import Made, ids, text, tokenizer, turns

MARKS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
MARK_IDS = dict(
    zip(
        ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id"),
        MARKS,
        strict=True,
    )
)
QWEN_TURNS = turns("<|vision_start|><|image_pad|><|vision_end|>")


def _text(
    words: Any, sections: list[int], *, partial: float | None = None, **more: Any
) -> dict[str, Any]:
    rope: dict[str, Any] = {
        "rope_type": "default",
        "mrope_section": sections,
        "rope_theta": 10000.0,
    }
    if partial is not None:
        rope["partial_rotary_factor"] = partial
    return text(words, rope_parameters=rope, **more)


def _vision(**more: Any) -> dict[str, Any]:
    return {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "out_hidden_size": 32,
    } | more


def _processor(kind: type, videos: type, words: Any, *, patch: int) -> Any:
    """Pictures of one to nine merged patches."""
    size = {"shortest_edge": (2 * patch) ** 2, "longest_edge": (6 * patch) ** 2}
    images = hf.Qwen2VLImageProcessor(size=size, patch_size=patch)
    return kind(images, words, videos(size=size), chat_template=QWEN_TURNS)


def qwen2_5_vl() -> Made:
    words = tokenizer(*MARKS)
    config = hf.Qwen2_5_VLConfig(
        text_config=_text(words, [2, 3, 3]),
        vision_config=_vision(window_size=56, fullatt_block_indexes=[1]),
        **ids(words, **MARK_IDS),
    )
    processor = _processor(hf.Qwen2_5_VLProcessor, hf.Qwen2VLVideoProcessor, words, patch=14)
    return hf.Qwen2_5_VLForConditionalGeneration(config), processor


def qwen3_vl() -> Made:
    words = tokenizer(*MARKS)
    config = hf.Qwen3VLConfig(
        text_config=_text(words, [4, 2, 2]),
        vision_config=_vision(num_position_embeddings=36, deepstack_visual_indexes=[0]),
        **ids(words, **MARK_IDS),
    )
    processor = _processor(hf.Qwen3VLProcessor, hf.Qwen3VLVideoProcessor, words, patch=16)
    return hf.Qwen3VLForConditionalGeneration(config), processor


def qwen3_5() -> Made:
    """One layer of linear attention, one of full."""
    words = tokenizer(*MARKS)
    linear = {
        "layer_types": ["linear_attention", "full_attention"],
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 2,
    }
    config = hf.Qwen3_5Config(
        text_config=_text(words, [4, 2, 2], partial=1.0, **linear),
        vision_config=_vision(num_position_embeddings=36),
        **ids(words, **MARK_IDS),
    )
    processor = _processor(hf.Qwen3VLProcessor, hf.Qwen3VLVideoProcessor, words, patch=16)
    return hf.Qwen3_5ForConditionalGeneration(config), processor


def qwen2_5_omni() -> Made:
    """The thinker, with ears for two seconds."""
    tokens = {"image_token": "<|IMAGE|>", "video_token": "<|VIDEO|>", "audio_token": "<|AUDIO|>"}
    for kind in ("vision", "audio"):
        tokens |= {f"{kind}_{end}_token": f"<|{kind}_{end}|>" for end in ("bos", "eos")}
    words = tokenizer(**tokens)
    size = {"shortest_edge": 28**2, "longest_edge": 84**2}
    processor = hf.Qwen2_5OmniProcessor(
        hf.Qwen2VLImageProcessor(size=size),
        hf.Qwen2VLVideoProcessor(size=size),
        hf.WhisperFeatureExtractor(feature_size=8, chunk_length=2),
        words,
        chat_template=turns(
            "<|vision_bos|><|IMAGE|><|vision_eos|>", "<|audio_bos|><|AUDIO|><|audio_eos|>"
        ),
    )
    config = hf.Qwen2_5OmniThinkerConfig(
        text_config=_text(words, [2, 3, 3]),
        vision_config=_vision(window_size=56, fullatt_block_indexes=[1]),
        audio_config={
            "num_mel_bins": 8,
            "d_model": 16,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 16,
            "output_dim": 32,
            "max_source_positions": 100,
        },
        **ids(
            words,
            image_token_index="<|IMAGE|>",
            video_token_index="<|VIDEO|>",
            audio_token_index="<|AUDIO|>",
            audio_start_token_id="<|audio_bos|>",
            audio_end_token_id="<|audio_eos|>",
            vision_start_token_id="<|vision_bos|>",
        ),
    )
    return hf.Qwen2_5OmniThinkerForConditionalGeneration(config), processor
