"""The sound of media as a processor's tensors and tokens, for the backbones that listen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from transferlab.backbone.cache import ByteCache
from transferlab.core.batch import join_rows
from transferlab.core.records import Hear, MediaRef, Sample
from transferlab.errors import DataError, ModelError

CACHE_BYTES = 256 * 2**20
FEATURES, MASK = "input_features", "feature_attention_mask"
RATE = 16_000
"""Samples per second."""


@dataclass(frozen=True, kw_only=True)
class EncodedSound:
    """The sound of one medium, ready for the model."""

    text: str
    """What stands for it in the prompt, between the template's own marks."""
    features: Tensor
    """(bands, T) of the model's precision; no padding."""


class SoundEncoder:
    """Turns the sound of media into spectrograms through the processor; kept between epochs."""

    def __init__(
        self, processor: Any, *, hear: Hear | None, end: str, dtype: torch.dtype, name: str
    ) -> None:
        """
        Args:
            processor: of transformers, with an audio token and a feature extractor.
            hear: gives a medium's sound; None where nothing can be heard.
            end: a token that is no sound's.
            dtype: of the features.
            name: of the backbone, for messages.
        """
        self._processor, self._hear, self._end = processor, hear, end
        self._dtype, self._name = dtype, name
        self._cache: ByteCache[EncodedSound] = ByteCache(CACHE_BYTES)
        self.token = str(processor.audio_token)
        """What a prompt's text holds for a sound."""

    def encode(self, ref: MediaRef, sample: Sample) -> EncodedSound:
        """The sound of one medium of ``sample``.

        Raises:
            DataError: it is missing, damaged, or longer than the backbone hears.
            ModelError: nothing was given that could hear it.
        """
        kept = self._cache.get(ref)
        if kept is None:
            kept = self._encoded(ref, sample)
            self._cache.put(ref, kept, size_bytes=kept.features.nbytes)
        return kept

    def _encoded(self, ref: MediaRef, sample: Sample) -> EncodedSound:
        if self._hear is None:
            raise ModelError(f"backbone '{self._name}' was loaded without anything to hear with")
        heard = self._hear(ref)
        most = self._processor.feature_extractor.n_samples
        if len(heard) > most:
            # The processor would cut it without a word.
            raise DataError(
                f"sample '{sample.id}' of '{sample.domain}' sounds for {len(heard) / RATE:.0f} "
                f"seconds; backbone '{self._name}' hears at most {most / RATE:.0f} at once: cut it "
                "into shorter segments"
            )
        given = self._processor(
            text=[self.token + self._end],
            audio=[heard],
            add_special_tokens=False,
            return_tensors="pt",
        )
        tokens = (given["input_ids"][0] == self._token_id()).sum()
        length = int(given[MASK].sum())
        return EncodedSound(
            text=self.token * int(tokens),
            features=given[FEATURES][0, :, :length].to(self._dtype).clone(),
        )

    def _token_id(self) -> int:
        return self._processor.tokenizer.convert_tokens_to_ids(self.token)


def stacked(sounds: Sequence[EncodedSound]) -> dict[str, Tensor]:
    """One sample's sounds: (1, sounds, bands, T) features and a (1, sounds, T) mask."""
    if not sounds:
        return {}
    features = join_rows([sound.features.unsqueeze(0) for sound in sounds])
    lengths = torch.tensor([sound.features.shape[-1] for sound in sounds])
    mask = torch.arange(features.shape[-1]) < lengths.unsqueeze(1)
    return {FEATURES: features.unsqueeze(0), MASK: mask.long().unsqueeze(0)}


def heard(beside: dict[str, Tensor]) -> dict[str, Tensor]:
    """All sounds of a batch in the order of its samples, (sounds, ...), without padding ones."""
    if MASK not in beside:
        return {}
    real = beside[MASK].any(dim=-1)
    return {name: beside[name][real] for name in (FEATURES, MASK)} if real.any() else {}
