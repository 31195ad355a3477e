"""What families of backbones do differently, and those that cannot be adapted, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from transformers import PreTrainedConfig

from transferlab.backbone.base.model_type import CONTRASTIVE
from transferlab.errors import ModelError

Layout = Literal[
    "interleaved",
    "image_prefix",
    "soft_prompt",
    "delimited",
    "cross_attention",
    "encoder_decoder",
    "image_span",
    "model_prepended",
]
"""A name in ``transferlab.backbone.processing.layouts.LAYOUTS``."""


@dataclass(frozen=True, kw_only=True)
class AudioSettings:
    """How a family takes the sound of media."""

    mask: str
    """What its ``forward`` calls the mask of spectrograms."""
    time_first: bool = False
    """Spectrograms are (T, bands), not (bands, T), and the mask is of booleans."""
    silence_frames: int = 0
    """Frames of silence after every sound, outside the mask. Where convolutions run over the end of
    a sound, what comes after it must not depend on its neighbours in the batch."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """How one family reads; the defaults fit every family that is not listed."""

    layout: Layout = "interleaved"
    """Where pictures stand."""
    image_token: str | None = None
    """What a prompt holds for a picture, where the processor does not tell; "" for nothing."""
    answer_types: bool = False
    """token_type_ids tell the answer (1), which is read from left to right, from the prompt (0),
    which is read both ways; elsewhere they tell image tokens (1) from others (0)."""
    mergers: tuple[str, ...] = (".merger", ".deepstack_merger_list")
    """Name endings of modules inside the vision tower that are the projector's work."""
    image_scope: Literal["embeddings", "next", "last"] = "embeddings"
    """How words read pictures: among their embeddings, or by cross-attention, from a picture to the
    ``next`` run of them, or the ``last`` one before the word only."""
    by_sample: bool = False
    """The model wants its pictures as (batch, pictures, ...), each sample its own."""
    equal_image_counts: bool = False
    """Samples with unlike numbers of pictures go through the model in different passes, because
    there what pads one sample is read by it, or because the model takes no padding."""
    positions_count_padding: bool = False
    """Positions are counted from the first column, padding or not, unless they are given."""
    cache_counts_padding: bool = False
    """While it answers, positions go on from the number of columns, padding or not, so that only
    prompts of one length may be answered together."""
    projected: str = ""
    """The module that makes pictures ready for the language model, where they are not among its
    embeddings."""
    takes_audio: AudioSettings | None = None
    """Sound stands in prompts as the processor's audio token; None where nothing is heard."""
    pads_with_end: bool = False
    """The end token pads. The padding token's embedding is all zeros at birth, and the family takes
    square roots of lengths of embeddings, which have no gradient there."""
    vision: tuple[str, ...] = ()
    """Modules of the vision tower, where transformers does not find them."""
    language: tuple[str, ...] = ()
    """Modules of the language model, where transformers does not find them."""


FAMILIES: dict[str, Family] = {
    "idefics2": Family(layout="delimited"),
    "paligemma": Family(layout="image_prefix", answer_types=True),
    "qwen2_5_omni_thinker": Family(takes_audio=AudioSettings(mask="feature_attention_mask")),
    # Two convolutions of kernel 3 and stride 2 reach 6 frames over the end of a sound.
    "gemma3n": Family(
        takes_audio=AudioSettings(mask="input_features_mask", time_first=True, silence_frames=8),
        pads_with_end=True,
    ),
    "blip-2": Family(layout="soft_prompt", language=("language_model",)),
    "instructblip": Family(layout="soft_prompt", language=("language_model",)),
    "mllama": Family(
        image_scope="next",
        by_sample=True,
        equal_image_counts=True,
        projected="multi_modal_projector",
    ),
    "idefics": Family(
        layout="cross_attention",
        image_token="<image>",
        image_scope="last",
        by_sample=True,
        projected="perceiver_resampler",
        language=("model.layers", "model.gated_cross_attn_layers", "model.norm"),
    ),
    "transferlab_cross_attention": Family(
        equal_image_counts=True, projected="multi_modal_projector"
    ),
    "florence2": Family(layout="encoder_decoder", language=("model.language_model",)),
    "kosmos-2": Family(
        layout="image_span",
        image_token="<image>",
        cache_counts_padding=True,
        projected="image_to_text_projection",
    ),
    **dict.fromkeys(CONTRASTIVE, Family(layout="model_prepended", image_token="")),
    "git": Family(
        layout="model_prepended",
        image_token="",
        by_sample=True,
        equal_image_counts=True,
        positions_count_padding=True,
        projected="visual_projection",
        vision=("git.image_encoder",),
        language=("git.embeddings", "git.encoder"),
    ),
}

REFUSED: dict[str, str] = {
    "blip": "it captions one picture and its processor has no image token",
    "instructblipvideo": "its Q-Former reads the prompt once for several frames, which is not done",
    "kosmos-2.5": "its pictures become patches with positions, which batches do not carry yet",
    "siglip2": "its pictures keep their shape, which has not been tried",
    "pix2struct": "its prompt is drawn into the picture",
}


def is_contrastive(config: PreTrainedConfig) -> bool:
    return config.model_type in CONTRASTIVE


def family_of(config: PreTrainedConfig) -> Family:
    """The family's facts; the cautious defaults for one that is not listed."""
    return FAMILIES.get(config.model_type, Family())


def refuse_family(config: PreTrainedConfig, *, name: str) -> None:
    """Stop before anything is read where a family is known not to fit.

    Raises:
        ModelError: says why.
    """
    reason = REFUSED.get(config.model_type)
    known = family_of(config).layout in ("encoder_decoder", "soft_prompt")
    if reason is None and encodes_and_decodes(config) and not known:
        reason = "its encoder and decoder have not been tried"
    if reason is not None:
        raise ModelError(
            f"backbone '{name}' is of type '{config.model_type}', which cannot be adapted: "
            f"{reason}; choose another backbone (docs/backbones.md lists those that can)"
        )


def max_pictures(config: PreTrainedConfig) -> int | None:
    """The most pictures, frames counted, that a sample may show; None for no limit."""
    own = getattr(config, "max_pictures", None)
    if own is not None or family_of(config).layout != "model_prepended" or is_contrastive(config):
        return own
    return getattr(config, "num_image_with_embedding", None) or 1


def encodes_and_decodes(config: PreTrainedConfig) -> bool:
    """Whether the prompt is read by an encoder and the answer said by a decoder."""
    text = getattr(config, "text_config", None)
    return bool(
        getattr(config, "is_encoder_decoder", False) or getattr(text, "is_encoder_decoder", False)
    )
