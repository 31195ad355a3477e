"""One tiny random model and processor for every family of backbones that is adapted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from transformers import AutoTokenizer

from transferlab.backbone.tiny.build import ASSETS

END = "</s>"
TURNS = (
    "{{{{ bos_token }}}}{{% for message in messages %}}<|{{{{ message['role'] }}}}|>"
    "{{% if message['role'] == 'assistant' %}}{{% generation %}}"
    "{{% for part in message['content'] %}}{{{{ part['text'] }}}}{{% endfor %}}" + END + "\n"
    "{{% endgeneration %}}{{% else %}}{{% for part in message['content'] %}}"
    "{{% if part['type'] == 'image' %}}{picture}{{% else %}}{{{{ part['text'] }}}}{{% endif %}}"
    "{{% endfor %}}{{% endif %}}{{% endfor %}}"
    "{{% if add_generation_prompt %}}<|assistant|>{{% endif %}}"
)
"""A chat template; ``picture`` is how the family writes a picture."""

Made = tuple[Any, Any]
"""A random model and its processor."""


def tokenizer(*more: str, **named: str) -> Any:
    """The embedded backbone's tokenizer with a family's own special tokens."""
    given = {"extra_special_tokens": named} if named else {}
    made = AutoTokenizer.from_pretrained(ASSETS, **given)
    made.chat_template = None
    if more:
        made.add_special_tokens(
            {"extra_special_tokens": list(more)}, replace_extra_special_tokens=False
        )
    return made


def text(words: Any, **more: Any) -> dict[str, Any]:
    """The sizes of a language model of two layers."""
    return {
        "vocab_size": len(words),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "pad_token_id": words.pad_token_id,
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
    } | more


def vision(**more: Any) -> dict[str, Any]:
    """The sizes of a vision tower of two layers, 4 x 4 patches."""
    return {
        "image_size": 56,
        "patch_size": 14,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    } | more


def ids(words: Any, **tokens: str) -> dict[str, int]:
    return {name: words.convert_tokens_to_ids(token) for name, token in tokens.items()}


QWEN = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
QWEN_IDS = dict(
    zip(
        ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id"),
        QWEN,
        strict=True,
    )
)
QWEN_TURNS = TURNS.format(picture="<|vision_start|><|image_pad|><|vision_end|>")


def qwen2_5_vl() -> Made:
    words = tokenizer(*QWEN)
    size = {"shortest_edge": 28 * 28, "longest_edge": 84 * 84}
    processor = hf.Qwen2_5_VLProcessor(
        hf.Qwen2VLImageProcessor(size=size),
        words,
        hf.Qwen2VLVideoProcessor(size=size),
        chat_template=QWEN_TURNS,
    )
    config = hf.Qwen2_5_VLConfig(
        text_config=text(
            words,
            rope_parameters={
                "rope_type": "default",
                "mrope_section": [2, 3, 3],
                "rope_theta": 10000.0,
            },
        ),
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "out_hidden_size": 32,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        **ids(words, **QWEN_IDS),
    )
    return hf.Qwen2_5_VLForConditionalGeneration(config), processor


def qwen3_vl() -> Made:
    words = tokenizer(*QWEN)
    size = {"shortest_edge": 32 * 32, "longest_edge": 96 * 96}
    processor = hf.Qwen3VLProcessor(
        hf.Qwen2VLImageProcessor(size=size, patch_size=16),
        words,
        hf.Qwen3VLVideoProcessor(size=size),
        chat_template=QWEN_TURNS,
    )
    config = hf.Qwen3VLConfig(
        text_config=text(
            words,
            rope_parameters={
                "rope_type": "default",
                "mrope_section": [4, 2, 2],
                "rope_theta": 10000.0,
            },
        ),
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "out_hidden_size": 32,
            "num_position_embeddings": 36,
            "deepstack_visual_indexes": [0],
        },
        **ids(words, **QWEN_IDS),
    )
    return hf.Qwen3VLForConditionalGeneration(config), processor


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
        chat_template=TURNS.format(picture="<image>"),
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


def llava_next_video() -> Made:
    words = tokenizer("<video>")
    grid = [[56, 112], [112, 56], [112, 112]]
    size = {"shortest_edge": 56}
    crop = {"height": 56, "width": 56}
    processor = hf.LlavaNextVideoProcessor(
        hf.LlavaNextVideoVideoProcessor(size=size, crop_size=crop),
        hf.LlavaNextImageProcessor(size=size, crop_size=crop, image_grid_pinpoints=grid),
        words,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TURNS.format(picture="<image>"),
    )
    config = hf.LlavaNextVideoConfig(
        text_config=text(words) | {"model_type": "llama"},
        vision_config=vision() | {"model_type": "clip_vision_model", "projection_dim": 32},
        image_grid_pinpoints=grid,
        **ids(words, image_token_index="<image>", video_token_index="<video>"),
    )
    return hf.LlavaNextVideoForConditionalGeneration(config), processor


def llava_next() -> Made:
    words = tokenizer()
    grid = [[56, 112], [112, 56], [112, 112]]
    size = {"shortest_edge": 56}
    processor = hf.LlavaNextProcessor(
        hf.LlavaNextImageProcessor(
            size=size, crop_size={"height": 56, "width": 56}, image_grid_pinpoints=grid
        ),
        words,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TURNS.format(picture="<image>"),
    )
    config = hf.LlavaNextConfig(
        text_config=text(words) | {"model_type": "llama"},
        vision_config=vision() | {"model_type": "clip_vision_model", "projection_dim": 32},
        image_grid_pinpoints=grid,
        **ids(words, image_token_index="<image>"),
    )
    return hf.LlavaNextForConditionalGeneration(config), processor


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
        chat_template=TURNS.format(picture="<IMG_CONTEXT>\n"),
    )
    config = hf.InternVLConfig(
        text_config=text(words) | {"model_type": "qwen2"},
        vision_config=vision(image_size=[56, 56], patch_size=[14, 14]),
        image_seq_length=4,
        downsample_ratio=0.5,
        **ids(words, image_token_id="<IMG_CONTEXT>"),
    )
    return hf.InternVLForConditionalGeneration(config), processor


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


def idefics2() -> Made:
    words = tokenizer("<fake_token_around_image>", "<end_of_utterance>")
    size = {"shortest_edge": 28, "longest_edge": 56}
    processor = hf.Idefics2Processor(
        hf.Idefics2ImageProcessor(size=size, do_image_splitting=False),
        words,
        image_seq_len=4,
        chat_template=TURNS.format(picture="<image>"),
    )
    config = hf.Idefics2Config(
        text_config=text(words) | {"model_type": "mistral"},
        vision_config=vision(),
        perceiver_config={
            "hidden_size": 32,
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 8,
            "num_key_value_heads": 2,
        },
        **ids(words, image_token_id="<image>"),
    )
    return hf.Idefics2ForConditionalGeneration(config), processor


def blip_2() -> Made:
    words = tokenizer()
    processor = hf.Blip2Processor(
        hf.BlipImageProcessor(size={"height": 56, "width": 56}), words, num_query_tokens=4
    )
    opt = {
        "model_type": "opt",
        "vocab_size": len(words),
        "hidden_size": 32,
        "word_embed_proj_dim": 32,
        "ffn_dim": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 256,
        "pad_token_id": words.pad_token_id,
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
    }
    config = hf.Blip2Config(
        text_config=opt,
        vision_config=vision(initializer_range=0.02),  # its own would hide the picture
        qformer_config={
            "vocab_size": len(words),
            "hidden_size": 32,
            "encoder_hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "cross_attention_frequency": 1,
        },
        num_query_tokens=4,
        **ids(words, image_token_index="<image>"),
    )
    return hf.Blip2ForConditionalGeneration(config), processor


FAMILIES: dict[str, Callable[[], Made]] = {
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
    "llava_onevision": llava_onevision,
    "llava_next_video": llava_next_video,
    "llava_next": llava_next,
    "internvl": internvl,
    "gemma3": gemma3,
    "paligemma": paligemma,
    "idefics2": idefics2,
    "blip-2": blip_2,
}


def save_family(name: str, folder: Path) -> Path:
    """Write the family's tiny model and processor, as their authors would publish them."""
    torch.manual_seed(0)
    model, processor = FAMILIES[name]()
    words = processor.tokenizer
    model.generation_config.eos_token_id = words.eos_token_id
    model.generation_config.pad_token_id = words.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
