"""Tiny random models of the Qwen families."""

from __future__ import annotations

from typing import Any

import transformers as hf
from family_parts import TURNS, Made, ids, text, tokenizer

MARKS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
MARK_IDS = dict(
    zip(
        ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id"),
        MARKS,
        strict=True,
    )
)
QWEN_TURNS = TURNS.format(picture="<|vision_start|><|image_pad|><|vision_end|>")


def _text(words: Any, sections: list[int], **more: Any) -> dict[str, Any]:
    rope = {"rope_type": "default", "mrope_section": sections, "rope_theta": 10000.0}
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
