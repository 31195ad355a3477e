"""What families of backbones do differently, and those that cannot be adapted, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from transformers import PreTrainedConfig

from transferlab.errors import ModelError

Layout = Literal["inline", "prefix", "hidden"]


@dataclass(frozen=True, kw_only=True)
class Family:
    """How one family reads; the defaults fit every family that is not listed."""

    layout: Layout = "inline"
    """Where pictures stand. ``inline``: where the prompt has them. ``prefix``: before the first
    token, and the processor writes that token and a last line break itself. ``hidden``: the same
    place, and the processor writes the pictures' tokens itself, whatever the text is."""
    answer_types: bool = False
    """token_type_ids tell the answer (1), which is read from left to right, from the prompt (0),
    which is read both ways; elsewhere they tell image tokens (1) from others (0)."""
    mergers: tuple[str, ...] = (".merger", ".deepstack_merger_list")
    """Name endings of modules inside the vision tower that are the projector's work."""
    continues: bool = False
    """Whether choices may be scored after a copied cache of the prompt. Where positions or masks
    are not a function of the attention mask alone, every choice is read with its whole prompt."""


FAMILIES: dict[str, Family] = {
    "llava": Family(continues=True),
    "llava_next": Family(continues=True),
    "llava_next_video": Family(continues=True),
    "llava_onevision": Family(continues=True),
    "idefics2": Family(continues=True),
    "idefics3": Family(continues=True),
    "smolvlm": Family(continues=True),
    "internvl": Family(continues=True),
    "paligemma": Family(layout="prefix", answer_types=True),
    "blip-2": Family(layout="hidden"),
}

_CONTRASTIVE = "it compares pictures with texts and says nothing, and what is trained are answers"

REFUSED: dict[str, str] = {
    "blip": "it captions one picture and its processor has no image token",
    "clip": _CONTRASTIVE,
    "florence2": "it answers with an encoder and a decoder, and batches hold one sequence",
    "git": "its pictures stand before the text without any token, so no position is theirs",
    "idefics": "its pictures are flattened with masks over images, which batches do not carry yet",
    "instructblip": "its Q-Former reads the prompt too, as tokens that batches do not carry yet",
    "instructblipvideo": "its Q-Former reads the prompt too, as tokens that batches do not carry",
    "kosmos-2": "its image tokens are marked by positions, which batches do not carry yet",
    "kosmos-2.5": "its pictures become patches with positions, which batches do not carry yet",
    "mllama": "tokens before a picture read those that pad a batch, so neighbours count",
    "pix2struct": "it answers with an encoder and a decoder, and batches hold one sequence",
    "siglip": _CONTRASTIVE,
    "siglip2": _CONTRASTIVE,
}


def family_of(config: PreTrainedConfig) -> Family:
    """The family's facts; the cautious defaults for one that is not listed."""
    return FAMILIES.get(config.model_type, Family())


def refuse_family(config: PreTrainedConfig, *, name: str) -> None:
    """Stop before anything is read where a family is known not to fit.

    Raises:
        ModelError: says why.
    """
    reason = REFUSED.get(config.model_type)
    if reason is None and _encodes_and_decodes(config):
        reason = "it answers with an encoder and a decoder, and batches hold one sequence"
    if reason is not None:
        raise ModelError(
            f"backbone '{name}' is of type '{config.model_type}', which cannot be adapted: "
            f"{reason}; choose another backbone (docs/backbones.md lists those that can)"
        )


def _encodes_and_decodes(config: PreTrainedConfig) -> bool:
    text = getattr(config, "text_config", None)
    return bool(
        getattr(config, "is_encoder_decoder", False) or getattr(text, "is_encoder_decoder", False)
    )
