"""Tiny random models that read a picture through a few queries, or by cross-attention."""

from __future__ import annotations

from typing import Any

import transformers as hf
from family_parts import Made, ids, text, tokenizer, turns, vision
from tokenizers.processors import TemplateProcessing


def idefics2() -> Made:
    words = tokenizer("<fake_token_around_image>", "<end_of_utterance>")
    size = {"shortest_edge": 28, "longest_edge": 56}
    processor = hf.Idefics2Processor(
        hf.Idefics2ImageProcessor(size=size, do_image_splitting=False),
        words,
        image_seq_len=4,
        chat_template=turns("<image>"),
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


def smolvlm() -> Made:
    return _tiled(hf.SmolVLMConfig, hf.SmolVLMForConditionalGeneration)


def idefics3() -> Made:
    return _tiled(hf.Idefics3Config, hf.Idefics3ForConditionalGeneration)


def _tiled(config_kind: type, model_kind: type) -> Made:
    """Pictures in up to four tiles and one more that shows them whole."""
    tiles = [f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)]
    words = tokenizer("<fake_token_around_image>", "<end_of_utterance>", "<global-img>", *tiles)
    processor = hf.Idefics3Processor(
        hf.Idefics3ImageProcessor(size={"longest_edge": 112}, max_image_size={"longest_edge": 56}),
        words,
        image_seq_len=4,
        chat_template=turns("<image>"),
    )
    config = config_kind(
        text_config=text(words) | {"model_type": "llama"},
        vision_config=vision(),
        scale_factor=2,
        **ids(words, image_token_id="<image>", pad_token_id="<pad>"),
    )
    return model_kind(config), processor


def blip_2() -> Made:
    words = tokenizer()
    processor = hf.Blip2Processor(
        hf.BlipImageProcessor(size={"height": 56, "width": 56}), words, num_query_tokens=4
    )
    config = hf.Blip2Config(
        text_config=_opt(words),
        vision_config=vision(initializer_range=0.02),  # its own would hide the picture
        qformer_config=_qformer(words),
        num_query_tokens=4,
        **ids(words, image_token_index="<image>"),
    )
    return hf.Blip2ForConditionalGeneration(config), processor


def blip_2_t5() -> Made:
    """An encoder reads, a decoder answers; the tokenizer closes what it writes."""
    words = tokenizer()
    words._tokenizer.post_processor = TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", words.eos_token_id)]
    )
    processor = hf.Blip2Processor(
        hf.BlipImageProcessor(size={"height": 56, "width": 56}), words, num_query_tokens=4
    )
    sizes = text(words)
    config = hf.Blip2Config(
        text_config={
            "model_type": "t5",
            "vocab_size": len(words),
            "d_model": 32,
            "d_kv": 16,
            "d_ff": 48,
            "num_layers": 2,
            "num_heads": 2,
            "dropout_rate": 0.0,
            "pad_token_id": sizes["pad_token_id"],
            "eos_token_id": sizes["eos_token_id"],
            "decoder_start_token_id": sizes["pad_token_id"],
        },
        vision_config=vision(initializer_range=0.02),
        qformer_config=_qformer(words),
        num_query_tokens=4,
        **ids(words, image_token_index="<image>"),
    )
    return hf.Blip2ForConditionalGeneration(config), processor


def instructblip() -> Made:
    """The Q-Former reads the prompt with a tokenizer of its own."""
    words, queries = tokenizer(), tokenizer()
    processor = hf.InstructBlipProcessor(
        hf.BlipImageProcessor(size={"height": 56, "width": 56}),
        words,
        queries,
        num_query_tokens=4,
    )
    config = hf.InstructBlipConfig(
        text_config=_opt(words),
        vision_config=vision(initializer_range=0.02),
        qformer_config=_qformer(words),
        num_query_tokens=4,
        **ids(words, image_token_index="<image>"),
    )
    return hf.InstructBlipForConditionalGeneration(config), processor


def _opt(words: Any) -> dict[str, Any]:
    return {
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


def _qformer(words: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(words),
        "hidden_size": 32,
        "encoder_hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "cross_attention_frequency": 1,
    }
