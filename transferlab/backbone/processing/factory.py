"""From a model and its processor to what makes its batches."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel

from transferlab.backbone.base.load_errors import translate_load_errors
from transferlab.backbone.processing.audio_encoder import AudioEncoder
from transferlab.backbone.processing.candidate_collator import CandidateCollator
from transferlab.backbone.processing.chat import Chat
from transferlab.backbone.processing.collator import Collator
from transferlab.backbone.processing.families import family_of, is_contrastive, max_pictures
from transferlab.backbone.processing.layouts import LAYOUTS
from transferlab.backbone.processing.media_encoder import MediaEncoder
from transferlab.backbone.processing.media_store import MediaStore
from transferlab.config.backbone import BackboneSection
from transferlab.core.records import Decode, DecodeAudio
from transferlab.errors import ModelError


def make_collator(
    section: BackboneSection,
    model: PreTrainedModel,
    processor: Any,
    *,
    decode: Decode,
    decode_audio: DecodeAudio | None,
    store: MediaStore | None,
) -> Collator | CandidateCollator:
    """What makes the batches of a model.

    Args:
        section: names the model, and the most tokens of a sample.
        model: without an adapter.
        processor: of the model.
        decode: turns a medium into frames.
        decode_audio: gives a medium's sound.
        store: keeps processed media on disk; None keeps them in memory alone.

    Raises:
        ModelError: the processor lacks what batches need.
    """
    name = section.model
    family, image_token = family_of(model.config), _image_token(processor, model, name=name)
    ends = _end_ids(processor, model, name=name)
    pad_id = processor.tokenizer.pad_token_id
    chat = Chat(
        processor,
        name=name,
        end_ids=ends,
        layout=LAYOUTS[family.layout](processor, image_token=image_token),
        picture_id=_picture_id(model.config),
    )
    with translate_load_errors(section):
        media = MediaEncoder(
            processor, chat=chat, decode=decode, dtype=model.dtype, name=name, store=store
        )
    if is_contrastive(model.config):
        length = model.config.text_config.max_position_embeddings
        caption = section.caption or "{answer}"
        return CandidateCollator(processor, media, caption=caption, length=length, name=name)
    return Collator(
        chat,
        media,
        pad_id=ends[0] if pad_id is None or family.pads_with_end else pad_id,
        max_length_tokens=section.max_length_tokens,
        name=name,
        max_pictures=max_pictures(model.config),
        sound=_audio_encoder(
            processor, model, decode_audio=decode_audio, end_id=ends[0], name=name
        ),
    )


def _image_token(processor: Any, model: PreTrainedModel, *, name: str) -> str:
    """What stands for a picture in a text; "" where nothing does."""
    token = family_of(model.config).image_token
    if token is None:
        token = getattr(processor, "image_token", None)
    if token is None or getattr(processor, "tokenizer", None) is None:
        raise ModelError(
            f"backbone '{name}': its processor has no image token, so pictures have no place in a "
            "prompt; choose another backbone"
        )
    return str(token)


def _end_ids(processor: Any, model: PreTrainedModel, *, name: str) -> list[int]:
    """The tokens at which generation stops, the tokenizer's own first."""
    made = getattr(model, "generation_config", None)
    ends = None if made is None else made.eos_token_id
    ends = [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
    own = processor.tokenizer.eos_token_id
    if own is not None:
        ends = [own, *(end for end in ends if end != own)]
    if not ends:
        raise ModelError(
            f"backbone '{name}' names no end token, so its answers would never stop; set "
            "eos_token_id in its generation_config.json"
        )
    return ends


def _audio_encoder(
    processor: Any,
    model: PreTrainedModel,
    *,
    decode_audio: DecodeAudio | None,
    end_id: int,
    name: str,
) -> AudioEncoder | None:
    audio_settings = family_of(model.config).takes_audio
    if audio_settings is None:
        return None
    end = processor.tokenizer.convert_ids_to_tokens(end_id)
    return AudioEncoder(
        processor,
        audio_settings=audio_settings,
        decode_audio=decode_audio,
        end=end,
        dtype=model.dtype,
        name=name,
    )


def _picture_id(config: PreTrainedConfig) -> int | None:
    """The token that the model reads as picture; its name in configurations has changed."""
    for key in ("image_token_id", "image_token_index"):
        if getattr(config, key, None) is not None:
            return getattr(config, key)
    return None
