"""Tiny random models that read pictures by cross-attention, or put them before the words."""

from __future__ import annotations

import torch
import transformers as hf
from family_parts import Made, ids, text, tokenizer, turns, vision


def mllama() -> Made:
    """Pictures in up to four tiles; the second layer reads them, through open gates."""
    words = tokenizer("<|image|>", "<|python_tag|>")
    processor = hf.MllamaProcessor(
        hf.MllamaImageProcessor(size={"height": 28, "width": 28}, max_image_tiles=4),
        words,
        chat_template=turns("<|image|>"),
    )
    tower = vision(
        image_size=28,
        num_global_layers=1,
        vision_output_dim=64,
        intermediate_layers_indices=[0],
        attention_heads=2,
    )
    config = hf.MllamaConfig(
        vision_config=tower,
        text_config=text(words, cross_attention_layers=[1], num_hidden_layers=2)
        | {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
        **ids(words, image_token_index="<|image|>"),
    )
    model = hf.MllamaForConditionalGeneration(config)
    _open_gates(model)
    return model, processor


def idefics() -> Made:
    """A resampler of four latents; the words see the last picture alone."""
    words = tokenizer("<fake_token_around_image>", "<end_of_utterance>")
    processor = hf.IdeficsProcessor(hf.IdeficsImageProcessor(image_size=56), words)
    sizes = vision()
    tower = {
        "embed_dim": sizes["hidden_size"],
        "image_size": sizes["image_size"],
        "patch_size": sizes["patch_size"],
        "intermediate_size": sizes["intermediate_size"],
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    config = hf.IdeficsConfig(
        **text(words),
        additional_vocab_size=0,
        cross_layer_interval=1,
        use_resampler=True,
        qk_layer_norms=True,
        vision_config=tower,
        perceiver_config={
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 8,
        },
    )
    model = hf.IdeficsForVisionText2Text(config)
    _open_gates(model)
    return model, processor


def git() -> Made:
    """Trained on films of up to three frames."""
    words = tokenizer()
    words.cls_token = words.bos_token
    images = hf.CLIPImageProcessor(
        size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}
    )
    sizes = text(words)
    config = hf.GitConfig(
        vision_config=vision(),
        num_image_with_embedding=3,
        max_position_embeddings=256,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **{
            key: sizes[key]
            for key in (
                *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers"),
                *("num_attention_heads", "pad_token_id", "bos_token_id", "eos_token_id"),
            )
        },
    )
    return hf.GitForCausalLM(config), hf.GitProcessor(images, words)


def _open_gates(model: torch.nn.Module) -> None:
    """Gates are closed at birth, which would hide the picture."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "gate" in name.rpartition(".")[2] or "alpha" in name:
                parameter.fill_(1.0)
