"""Random Qwen2.5-VL models, their processor and samples, for ``benchmarks/gpu.py``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as hf

from transferlab.core.records import MediaRef, Sample
from transferlab.tiny.architecture import ASSETS

WORDS = "the heart is of normal size and there is no effusion on the left side today"
MARKS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>"
    "{% if message['role'] == 'assistant' %}{% generation %}"
    "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}</s>\n{% endgeneration %}"
    "{% else %}{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SHAPES = {
    "small": {
        "text": {
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "vocab_size": 6000,
        },
        "vision": {"depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4},
        "side": 112,
    },
    "2b": {
        "text": {
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 28,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
            "vocab_size": 151_936,
        },
        "vision": {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16},
        "side": 448,
    },
    "7b": {
        "text": {
            "hidden_size": 3584,
            "intermediate_size": 18_944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "vocab_size": 152_064,
        },
        "vision": {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16},
        "side": 448,
    },
}


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def processor_for(side: int) -> Any:
    words = hf.AutoTokenizer.from_pretrained(ASSETS)
    words.chat_template = None
    words.add_special_tokens(
        {"extra_special_tokens": list(MARKS)}, replace_extra_special_tokens=False
    )
    size = {"shortest_edge": side**2, "longest_edge": side**2}
    images = hf.Qwen2VLImageProcessor(size=size, patch_size=14)
    videos = hf.Qwen2VLVideoProcessor(size=size)
    return hf.Qwen2_5_VLProcessor(images, words, videos, chat_template=TEMPLATE)


def config_for(shape: dict[str, Any], processor: Any) -> hf.Qwen2_5_VLConfig:
    words = processor.tokenizer
    heads = shape["text"]["hidden_size"] // shape["text"]["num_attention_heads"]
    rope = {
        "rope_type": "default",
        "rope_theta": 1e6,
        "mrope_section": [heads // 8, 3 * heads // 16, 3 * heads // 16],
    }
    ids = dict(
        zip(
            ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id"),
            words.convert_tokens_to_ids(list(MARKS)),
            strict=True,
        )
    )
    text = {
        **shape["text"],
        "rope_parameters": rope,
        "pad_token_id": words.pad_token_id,
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
    }
    vision = {
        **shape["vision"],
        "out_hidden_size": shape["text"]["hidden_size"],
        "window_size": 112,
        "fullatt_block_indexes": [shape["vision"]["depth"] - 1],
    }
    return hf.Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        tie_word_embeddings=False,
        pad_token_id=words.pad_token_id,
        eos_token_id=words.eos_token_id,
        **ids,
    )


def fresh_model(config: Any) -> Any:
    torch.manual_seed(0)
    kind = torch.bfloat16 if device().type == "cuda" else torch.float32
    with torch.device(device()):
        return hf.AutoModelForImageTextToText.from_config(config, dtype=kind)


def picture(ref: MediaRef, side: int) -> list[np.ndarray]:
    return [np.random.default_rng(int(ref.path.stem)).integers(0, 256, (side, side, 3), np.uint8)]


def samples_of(count: int, *, first: int, domain: str) -> list[Sample]:
    words = WORDS.split()
    made = []
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        answer = " ".join(rng.choice(words, 16))
        made.append(
            Sample(
                id=f"{domain}-{number}",
                domain=domain,
                task="report",
                kind="describe",
                media=(MediaRef(kind="image", path=Path(f"{number}.png")),),
                prompt="<image>\nDescribe what this picture shows.",
                answer=answer,
            )
        )
    return made
