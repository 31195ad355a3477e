"""What the tiny models of all families are made of: words, a chat template, and sizes."""

from __future__ import annotations

from typing import Any

from transformers import AutoTokenizer

from transferlab.tiny.architecture import ASSETS

END = "</s>"
_TURNS = (
    "{{{{ bos_token }}}}{{% for message in messages %}}<|{{{{ message['role'] }}}}|>"
    "{{% if message['role'] == 'assistant' %}}{{% generation %}}"
    "{{% for part in message['content'] %}}{{{{ part['text'] }}}}{{% endfor %}}" + END + "\n"
    "{{% endgeneration %}}{{% else %}}{{% for part in message['content'] %}}"
    "{{% if part['type'] == 'image' %}}{picture}"
    "{{% elif part['type'] == 'audio' %}}{sound}{{% else %}}{{{{ part['text'] }}}}{{% endif %}}"
    "{{% endfor %}}{{% endif %}}{{% endfor %}}"
    "{{% if add_generation_prompt %}}<|assistant|>{{% endif %}}"
)


def turns(picture: str, sound: str = "") -> str:
    """A chat template with the family's ways of writing a picture and a sound."""
    return _TURNS.format(picture=picture, sound=sound)


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
