"""Tiny random models of the Gemma families."""

from __future__ import annotations

import torch
import transformers as hf
from family_parts import TURNS, Made, ids, text, tokenizer, vision


def gemma3() -> Made:
    words = tokenizer(boi_token="<boi>", eoi_token="<eoi>", image_token="<soft>")
    processor = hf.Gemma3Processor(
        hf.Gemma3ImageProcessor(size={"height": 56, "width": 56}),
        words,
        image_seq_length=4,
        chat_template=TURNS.format(picture="<boi>"),
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
