"""Tiny MLLMs of a few million parameters: stock parts, own tokenizer and processor."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    FocalNetConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    SiglipImageProcessor,
)
from transformers.models.mllama.configuration_mllama import MllamaTextConfig

from transferlab.config.pretrain import Architecture
from transferlab.tiny.fusion_cross_attention import (
    CrossAttentionConfig,
    CrossAttentionForConditionalGeneration,
)
from transferlab.tiny.fusion_resampler import (
    ResamplerConfig,
    ResamplerForConditionalGeneration,
)

TinyModel = LlavaForConditionalGeneration
"""The stock architecture that the embedded backbone is; the others are made from it."""

ASSETS = Path(__file__).parent / "assets"
"""The shipped folder; any folder that ``save`` has written has the same files."""

SIDE, PATCH = 112, 16
WIDTHS = (48, 96, 192)
"""Features of the vision tower's stages, of 28 x 28, 14 x 14 and 7 x 7 places."""
LAYERS = 4
"""Of self-attention in the language model."""
FEATURES = (SIDE // PATCH) ** 2
TOKENS_SIDE: dict[Architecture, int] = {"projector": SIDE // PATCH, "resampler": 4}
"""The square root of how many tokens stand for a picture; 1 where it is attended to."""
PAD, BEGIN, END, USER, ASSISTANT, IMAGE = (
    "<pad>",
    "<s>",
    "</s>",
    "<|user|>",
    "<|assistant|>",
    "<image>",
)
SPECIAL = (PAD, BEGIN, END, USER, ASSISTANT, IMAGE)

# A prompt may be one string with <image> slots or a list of parts; both render alike, with no
# line break after a slot, so that it does not matter which one a caller uses. A system text, which
# pretraining has none of, stands before the words of the user's next turn.
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% set before = namespace(text='') %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}"
    "{% if message['content'] is string %}"
    "{% set before.text = before.text + (message['content'] | trim) %}"
    "{% else %}{% for part in message['content'] %}"
    "{% set said = '<image>' if part['type'] == 'image' else part['text'] | trim %}"
    "{% set before.text = before.text + said %}"
    "{% endfor %}{% endif %}{% set before.text = before.text + '\\n\\n' %}"
    "{% elif message['role'] == 'assistant' %}"
    "<|assistant|>{% generation %}"
    "{% if message['content'] is string %}{{ message['content'] | trim }}"
    "{% else %}{% for part in message['content'] %}{{ part['text'] | trim }}{% endfor %}"
    "{% endif %}{{ eos_token }}{% endgeneration %}"
    "{% else %}<|user|>{{ before.text }}{% set before.text = '' %}"
    "{% if message['content'] is string %}"
    "{{ message['content'] | replace('<image>\\n', '<image>') | trim }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>"
    "{% else %}{{ part['text'] | replace('<image>\\n', '<image>') | trim }}{% endif %}"
    "{% endfor %}{% endif %}{% endif %}"
    "{% endfor %}"
    "{% if before.text %}<|user|>{{ before.text | trim }}{% endif %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def train_tokenizer(texts: Iterable[str], *, vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of ``vocabulary`` entries, special tokens and bytes included."""
    tokenizer = Tokenizer(models.BPE())
    # A word is the same token after a special token as inside a sentence: the space is added here
    # and taken away by the decoder.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.ByteLevel(), pre_tokenizers.Digits(individual_digits=True)]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteLevel(), decoders.Strip(content=" ", left=1, right=0)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT, IMAGE],
        padding_side="left",
        model_max_length=2048,
        clean_up_tokenization_spaces=False,
    )


def processor_for(
    tokenizer: PreTrainedTokenizerFast, *, architecture: Architecture = "projector"
) -> LlavaProcessor:
    """Resizes to 112 x 112, scales to [-1, 1] and puts an image's tokens where it stands: 49,
    16 for a resampler, or 1 that is attended from."""
    images = SiglipImageProcessor(
        size={"height": SIDE, "width": SIDE},
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=SIDE // TOKENS_SIDE.get(architecture, 1),
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
        image_token=IMAGE,
    )


def model_for(
    tokenizer: PreTrainedTokenizerFast, *, seed: int, architecture: Architecture = "projector"
) -> TinyModel:
    """The architecture with random float32 weights, the same ones for the same seed."""
    make = {
        "projector": _projector,
        "cross_attention": _cross_attention,
        "resampler": _resampler,
    }[architecture]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make(tokenizer)
    model.config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.bos_token_id = tokenizer.bos_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    return model


def _projector(tokenizer: PreTrainedTokenizerFast) -> TinyModel:
    text = LlamaConfig(**_text(tokenizer), num_hidden_layers=LAYERS)
    return TinyModel(LlavaConfig(text_config=text, image_seq_length=FEATURES, **_whole(tokenizer)))


def _resampler(tokenizer: PreTrainedTokenizerFast) -> TinyModel:
    text = LlamaConfig(**_text(tokenizer), num_hidden_layers=LAYERS)
    tokens = TOKENS_SIDE["resampler"] ** 2
    config = ResamplerConfig(
        text_config=text, image_seq_length=tokens, num_image_positions=FEATURES, **_whole(tokenizer)
    )
    return ResamplerForConditionalGeneration(config)


def _cross_attention(tokenizer: PreTrainedTokenizerFast) -> TinyModel:
    """The same layers of self-attention, and after every other one a layer that looks."""
    text = MllamaTextConfig(
        **_text(tokenizer),
        num_hidden_layers=LAYERS + 2,
        cross_attention_layers=[1, 4],
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        rms_norm_eps=1e-6,
    )
    config = CrossAttentionConfig(
        text_config=text, image_seq_length=1, num_image_positions=FEATURES, **_whole(tokenizer)
    )
    return CrossAttentionForConditionalGeneration(config)


def _vision() -> FocalNetConfig:
    # Convolutions and small windows learn shapes from tens of thousands of pictures, where a plain
    # vision transformer of this size needs many times as many.
    return FocalNetConfig(
        image_size=SIDE,
        patch_size=4,
        embed_dim=WIDTHS[0],
        hidden_sizes=list(WIDTHS),
        depths=[1, 2, 3],
        focal_levels=[2, 2, 2],
        focal_windows=[3, 3, 3],
        mlp_ratio=3.0,
        drop_path_rate=0.0,  # nothing random in a step: a resumed run ends as an unbroken one
        hidden_size=WIDTHS[-1],  # type: ignore[call-arg]  # kept beside its own, for LLaVA
    )


def _text(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """The language model's sizes, but for its layers."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 192,
        "intermediate_size": 512,
        "num_attention_heads": 6,
        "num_key_value_heads": 6,
        "max_position_embeddings": 2048,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "tie_word_embeddings": True,
    }


def _whole(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """What a model's configuration has beside its text configuration and its image tokens."""
    return {
        "vision_config": _vision(),
        "image_token_index": tokenizer.convert_tokens_to_ids(IMAGE),
        "vision_feature_select_strategy": "full",
        "vision_feature_layer": -1,
        "tie_word_embeddings": True,
    }


def save(model: TinyModel, processor: LlavaProcessor, folder: Path) -> None:
    """Write what AutoModelForImageTextToText and AutoProcessor load again, offline."""
    model.save_pretrained(folder, safe_serialization=True)
    processor.save_pretrained(folder)
