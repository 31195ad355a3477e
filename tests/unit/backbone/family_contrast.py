"""Tiny random models that compare pictures with texts."""

from __future__ import annotations

import transformers as hf
from family_parts import Made, text, tokenizer, vision
from tokenizers.processors import TemplateProcessing

LENGTH = 24
"""Tokens of a text."""


def clip() -> Made:
    words = _tokenizer()
    images = hf.CLIPImageProcessor(
        size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}
    )
    config = hf.CLIPConfig(text_config=_text(words), vision_config=vision(), projection_dim=16)
    return hf.CLIPModel(config), hf.CLIPProcessor(images, words)


def siglip() -> Made:
    words = _tokenizer()
    images = hf.SiglipImageProcessor(size={"height": 56, "width": 56})
    config = hf.SiglipConfig(text_config=_text(words), vision_config=vision())
    return hf.SiglipModel(config), hf.SiglipProcessor(images, words)


def _text(words) -> dict:
    sizes = text(words)
    kept = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers")
    kept += ("num_attention_heads", "pad_token_id", "bos_token_id", "eos_token_id")
    return {key: sizes[key] for key in kept} | {"max_position_embeddings": LENGTH}


def _tokenizer():
    words = tokenizer()
    words._tokenizer.post_processor = TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", words.eos_token_id)]
    )
    words.padding_side = "right"
    return words
