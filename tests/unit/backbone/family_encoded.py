"""Tiny random models whose prompts are closed by a token: an encoder's, or opened pictures."""

from __future__ import annotations

import transformers as hf
from family_parts import Made, ids, text, tokenizer, vision


def florence2() -> Made:
    words = tokenizer(image_token="<image>")
    images = hf.CLIPImageProcessor(
        size={"height": 64, "width": 64}, crop_size={"height": 64, "width": 64}
    )
    images.image_seq_length = 5
    processor = hf.Florence2Processor(images, words)
    sizes = {
        "model_type": "bart",
        "vocab_size": len(words),
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 48,
        "dropout": 0.0,
        "max_position_embeddings": 128,
        "pad_token_id": words.pad_token_id,
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
        "decoder_start_token_id": words.eos_token_id,
        "forced_eos_token_id": None,
    }
    config = hf.Florence2Config(
        text_config=sizes,
        vision_config={
            "depths": (1, 1, 1, 1),
            "embed_dim": (8, 8, 16, 16),
            "num_heads": (1, 1, 2, 2),
            "num_groups": (1, 1, 2, 2),
            "window_size": 4,
            "drop_path_rate": 0.0,
            "projection_dim": 32,
            "max_temporal_embeddings": 4,
            "max_position_embeddings": 8,
        },
        **ids(words, image_token_id="<image>"),
        is_encoder_decoder=True,
    )
    return hf.Florence2ForConditionalGeneration(config), processor


def kosmos2() -> Made:
    """64 latents per picture, which is what its processor writes."""
    words = tokenizer(unk_token="<unk>")
    processor = hf.Kosmos2Processor(
        hf.CLIPImageProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}),
        words,
        num_patch_index_tokens=4,
    )
    words = processor.tokenizer
    sizes = text(words)
    config = hf.Kosmos2Config(
        text_config={
            "vocab_size": len(words),
            "embed_dim": 32,
            "layers": 2,
            "ffn_dim": 48,
            "attention_heads": 2,
            "max_position_embeddings": 512,
            "dropout": 0.0,
            "attention_dropout": 0.0,
            "layerdrop": 0.0,
            **{key: sizes[key] for key in ("pad_token_id", "bos_token_id", "eos_token_id")},
        },
        vision_config=vision(),
        latent_query_num=64,
    )
    return hf.Kosmos2ForConditionalGeneration(config), processor
