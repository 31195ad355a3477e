"""The sound of media as a processor's tensors and tokens, for the backbones that listen."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from transferlab.backbone.base.byte_cache import ByteCache
from transferlab.backbone.processing.families import AudioSettings
from transferlab.core.batch import join_rows
from transferlab.core.records import DecodeAudio, MediaRef, Sample
from transferlab.errors import DataError, ModelError

CACHE_BYTES = 256 * 2**20
FEATURES, MASK = "input_features", "sound_mask"
FRAMES_PER_TOKEN = 16
RATE = 16_000
"""Samples per second."""


@dataclass(frozen=True, kw_only=True)
class EncodedAudio:
    """The sound of one medium, ready for the model."""

    text: str
    """What stands for it in the prompt, between the template's own marks."""
    features: Tensor
    """(bands, T) of the model's precision; what the family wants of silence comes last."""
    frames: int
    """Of T, those that sound."""


class AudioEncoder:
    """Turns the sound of media into spectrograms through the processor; kept between epochs."""

    def __init__(
        self,
        processor: Any,
        *,
        audio_settings: AudioSettings,
        decode_audio: DecodeAudio | None,
        end: str,
        dtype: torch.dtype,
        name: str,
    ) -> None:
        """
        Args:
            processor: of transformers, with an audio token and a feature extractor.
            audio_settings: how the family takes sound.
            decode_audio: gives a medium's sound; None where nothing can be waveform.
            end: a token that is no sound's.
            dtype: of the features.
            name: of the backbone, for messages.
        """
        self._processor, self._decode_audio, self._end = processor, decode_audio, end
        self._dtype, self._name, self._audio_settings = dtype, name, audio_settings
        self._cache: ByteCache[EncodedAudio] = ByteCache(CACHE_BYTES)
        self.token = str(processor.audio_token)
        """What a prompt's text holds for a sound."""

    def encode(self, ref: MediaRef, sample: Sample) -> EncodedAudio:
        """The sound of one medium of ``sample``.

        Raises:
            DataError: it is missing, damaged, or longer than the backbone hears.
            ModelError: nothing was given that could hear it.
        """
        cached = self._cache.get(ref)
        if cached is None:
            cached = self._encode(ref, sample)
            self._cache.put(ref, cached, size_bytes=cached.features.nbytes)
        return cached

    def _encode(self, ref: MediaRef, sample: Sample) -> EncodedAudio:
        if self._decode_audio is None:
            raise ModelError(f"backbone '{self._name}' was loaded without anything to hear with")
        waveform = self._decode_audio(ref)
        most = longest_samples(self._processor, self._audio_settings)
        if len(waveform) > most:
            # The processor would cut it without a word.
            raise DataError(
                f"sample '{sample.id}' of '{sample.domain}' sounds for {len(waveform) / RATE:.0f} "
                f"seconds; backbone '{self._name}' hears at most {most / RATE:.0f} at once: cut it "
                "into shorter segments"
            )
        given = self._processor(
            text=[self.token + self._end],
            audio=[waveform],
            add_special_tokens=False,
            return_tensors="pt",
        )
        frames = int(given[self._audio_settings.mask].sum())
        features = given[FEATURES][0]
        features = (features.T if self._audio_settings.time_first else features)[:, :frames]
        return EncodedAudio(
            text=self._written(given["input_ids"][0]),
            features=torch.cat([features, self._silence()], dim=1).to(self._dtype),
            frames=frames,
        )

    def _written(self, ids: Tensor) -> str:
        """What the processor writes for a sound: marks of its own and tokens, or tokens alone."""
        whole = getattr(self._processor, "full_audio_sequence", None)
        token_id = self._processor.tokenizer.convert_tokens_to_ids(self.token)
        return whole or self.token * int((ids == token_id).sum())

    def _silence(self) -> Tensor:
        """(bands, silence_frames) as the processor has it."""
        extractor, frames = self._processor.feature_extractor, self._audio_settings.silence_frames
        if not frames:
            return torch.zeros(extractor.feature_size, 0)
        seconds = np.zeros(RATE, np.float32)
        return extractor(seconds, return_tensors="pt")[FEATURES][0, :frames].T


def stack_audio(sounds: Sequence[EncodedAudio]) -> dict[str, Tensor]:
    """One sample's sounds: (1, sounds, bands, T) features and a (1, sounds, T) mask."""
    if not sounds:
        return {}
    features = join_rows([sound.features.unsqueeze(0) for sound in sounds])
    lengths = torch.tensor([sound.frames for sound in sounds])
    mask = torch.arange(features.shape[-1]) < lengths.unsqueeze(1)
    return {FEATURES: features.unsqueeze(0), MASK: mask.long().unsqueeze(0)}


def audio_inputs(
    extra_inputs: dict[str, Tensor], audio_settings: AudioSettings
) -> dict[str, Tensor]:
    """All sounds of a batch in the order of its samples, (sounds, ...), without padding ones."""
    if MASK not in extra_inputs or not extra_inputs[MASK].any():
        return {}
    real = extra_inputs[MASK].any(dim=-1)
    features, mask = extra_inputs[FEATURES][real], extra_inputs[MASK][real]
    if audio_settings.time_first:
        features, mask = features.transpose(1, 2), mask.bool()
    return {FEATURES: features, audio_settings.mask: mask}


def longest_samples(processor: Any, audio_settings: AudioSettings) -> int:
    """The longest sound that a processor does not cut, in samples at ``RATE``.

    Of one that writes the same number of tokens for every sound it is also the longest that fits
    into them: a token stands for 16 frames of its spectrogram.
    """
    extractor = processor.feature_extractor
    if hasattr(extractor, "n_samples"):
        return extractor.n_samples
    given = inspect.signature(extractor.__call__).parameters["max_length"].default
    frames = FRAMES_PER_TOKEN * processor.audio_seq_length - audio_settings.silence_frames
    return min(given, (frames - 1) * extractor.hop_length + extractor.frame_length)
