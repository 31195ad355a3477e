"""Tiny random models of the LLaVA families and InternVL: pictures in tiles, then a projector."""

from __future__ import annotations

import transformers as hf
from family_parts import Made, ids, text, tokenizer, turns, vision


def llava_onevision() -> Made:
    words = tokenizer("<video>")
    grid = [[56, 56], [56, 112], [112, 56], [112, 112]]
    processor = hf.LlavaOnevisionProcessor(
        hf.LlavaOnevisionImageProcessor(
            size={"height": 56, "width": 56}, image_grid_pinpoints=grid
        ),
        words,
        hf.LlavaOnevisionVideoProcessor(size={"height": 56, "width": 56}),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=turns("<image>"),
    )
    config = hf.LlavaOnevisionConfig(
        text_config=text(words) | {"model_type": "qwen2"},
        vision_config=vision() | {"model_type": "siglip_vision_model", "vision_use_head": False},
        image_grid_pinpoints=grid,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_9",
        **ids(words, image_token_index="<image>", video_token_index="<video>"),
    )
    return hf.LlavaOnevisionForConditionalGeneration(config), processor


GRID = [[56, 112], [112, 56], [112, 112]]
SIZE = {"shortest_edge": 56}
CROP = {"height": 56, "width": 56}
NEXT_PROCESSOR = {
    "patch_size": 14,
    "vision_feature_select_strategy": "default",
    "num_additional_image_tokens": 1,
    "chat_template": turns("<image>"),
}


def _next_images() -> hf.LlavaNextImageProcessor:
    return hf.LlavaNextImageProcessor(size=SIZE, crop_size=CROP, image_grid_pinpoints=GRID)


def _next_config(kind, words, **tokens):
    return kind(
        text_config=text(words) | {"model_type": "llama"},
        vision_config=vision() | {"model_type": "clip_vision_model", "projection_dim": 32},
        image_grid_pinpoints=GRID,
        **ids(words, image_token_index="<image>", **tokens),
    )


def llava_next_video() -> Made:
    words = tokenizer("<video>")
    films = hf.LlavaNextVideoVideoProcessor(size=SIZE, crop_size=CROP)
    processor = hf.LlavaNextVideoProcessor(films, _next_images(), words, **NEXT_PROCESSOR)
    config = _next_config(hf.LlavaNextVideoConfig, words, video_token_index="<video>")
    return hf.LlavaNextVideoForConditionalGeneration(config), processor


def llava_next() -> Made:
    words = tokenizer()
    processor = hf.LlavaNextProcessor(_next_images(), words, **NEXT_PROCESSOR)
    return hf.LlavaNextForConditionalGeneration(_next_config(hf.LlavaNextConfig, words)), processor


def llava() -> Made:
    words = tokenizer()
    images = hf.CLIPImageProcessor(size=SIZE, crop_size=CROP)
    processor = hf.LlavaProcessor(images, words, **NEXT_PROCESSOR)
    config = hf.LlavaConfig(
        text_config=text(words) | {"model_type": "llama"},
        vision_config=vision() | {"model_type": "clip_vision_model", "projection_dim": 32},
        **ids(words, image_token_index="<image>"),
    )
    return hf.LlavaForConditionalGeneration(config), processor


def internvl() -> Made:
    words = tokenizer(
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )
    size = {"height": 56, "width": 56}
    processor = hf.InternVLProcessor(
        hf.GotOcr2ImageProcessor(size=size, crop_to_patches=True, max_patches=3),
        words,
        hf.InternVLVideoProcessor(size=size),
        image_seq_length=4,
        chat_template=turns("<IMG_CONTEXT>\n"),
    )
    config = hf.InternVLConfig(
        text_config=text(words) | {"model_type": "qwen2"},
        vision_config=vision(image_size=[56, 56], patch_size=[14, 14]),
        image_seq_length=4,
        downsample_ratio=0.5,
        **ids(words, image_token_id="<IMG_CONTEXT>"),
    )
    return hf.InternVLForConditionalGeneration(config), processor
