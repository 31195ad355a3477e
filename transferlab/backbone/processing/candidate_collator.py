"""Samples to batches for backbones that compare pictures with texts: candidates for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from transferlab.backbone.base.byte_cache import ByteCache
from transferlab.backbone.processing.collator import TEXT_CACHE_BYTES, Prompt
from transferlab.backbone.processing.layouts import words_of
from transferlab.backbone.processing.media_encoder import MediaEncoder, join_media
from transferlab.core.batch import IGNORE_INDEX, Batch, join_extra_inputs
from transferlab.core.records import Sample
from transferlab.errors import DataError, ModelError

TEXTS, GIVEN = "candidate_ids", "candidate_given"


class CandidateCollator:
    """Makes the batches of one contrastive backbone.

    A sample's candidates are its choices, or its answer alone where it has none; each is written as
    the caption says. The label is the right candidate's place.
    """

    sound = None

    def __init__(
        self, processor: Any, media: MediaEncoder, *, caption: str, length: int, name: str
    ) -> None:
        """
        Args:
            processor: of transformers, with a tokenizer.
            media: encodes pictures.
            caption: holds ``{answer}``, and ``{prompt}`` where the prompt's words are read too.
            length: of the texts that the model was trained on, in tokens; shorter ones are padded.
            name: of the backbone, for messages.
        """
        self._tokenizer, self.media, self.caption = processor.tokenizer, media, caption
        self._length, self._name = length, name
        self._texts: ByteCache[list[int]] = ByteCache(TEXT_CACHE_BYTES)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """The samples with their candidates; one supervised position each.

        Raises:
            DataError: a medium cannot be read, or a candidate is longer than the model reads.
            ModelError: earlier answers of a conversation are to be learned.
        """
        if any(sample.learns_history for sample in samples):
            raise ModelError(
                f"backbone '{self._name}' compares and does not write, so earlier answers of a "
                "conversation cannot be learned; set source.options.answers of the domain to each "
                "or last, or choose a backbone that writes"
            )
        candidates = [sample.choices or (sample.answer,) for sample in samples]
        texts = [
            torch.tensor([[self._tokens(sample, one) for one in given]])
            for sample, given in zip(samples, candidates, strict=True)
        ]
        labels = [
            given.index(sample.answer) for sample, given in zip(samples, candidates, strict=True)
        ]
        media = [self.media.encode(sample.media) for sample in samples]
        positions = torch.tensor(labels).unsqueeze(1)
        return Batch(
            input_ids=torch.stack([t[0, at] for t, at in zip(texts, labels, strict=True)]),
            attention_mask=torch.ones(len(samples), self._length, dtype=torch.long),
            labels=torch.nn.functional.pad(positions, (self._length - 1, 0), value=IGNORE_INDEX),
            media=join_media([encoded.tensors for encoded in media if encoded.rows]),
            media_rows=tuple(encoded.rows for encoded in media),
            sample_ids=tuple(sample.id for sample in samples),
            extra_inputs=join_extra_inputs(
                [(1, {TEXTS: t, GIVEN: torch.ones(t.shape[:2], dtype=torch.long)}) for t in texts]
            ),
        )

    def prompt(self, sample: Sample) -> Prompt:
        """The right candidate's tokens: what is longest of what the model reads of a sample."""
        ids = self._tokens(sample, sample.answer)
        frames = self.media.encode(sample.media).frames
        sounds = (False,) * len(frames)
        return Prompt(ids=ids, start=ids, frames=frames, extra_inputs={}, sounds=sounds)

    def answer(self, sample: Sample, answer: str) -> list[int]:
        """One label: its place among the candidates.

        Raises:
            DataError: the candidate is too long.
        """
        self._tokens(sample, answer)
        return [0]

    def candidates(self, sample: Sample, given: Sequence[str]) -> Tensor:
        """(candidates, length) int64: each as the caption writes it for this sample.

        Raises:
            DataError: one is too long.
        """
        return torch.tensor([self._tokens(sample, one) for one in given])

    def question_of(self, sample: Sample) -> str:
        """What of the prompt the caption writes beside a candidate."""
        return words_of(sample.full_prompt) if "{prompt}" in self.caption else ""

    def words(self, sample: Sample) -> Tensor:
        """(pieces, length) int64: the prompt's words, in as many pieces as the model needs."""
        given = self._tokenizer(
            [words_of(sample.full_prompt)],
            truncation=True,
            max_length=self._length,
            return_overflowing_tokens=True,
        )
        return torch.tensor([self._padded(piece) for piece in given["input_ids"]])

    def _tokens(self, sample: Sample, candidate: str) -> list[int]:
        question_of = self.question_of(sample)
        key = (question_of, candidate)
        cached = self._texts.get(key)
        if cached is None:
            text = self.caption.replace("{prompt}", question_of)
            ids = self._tokenizer(text.replace("{answer}", candidate))["input_ids"]
            if len(ids) > self._length:
                raise DataError(
                    f"sample '{sample.id}' of '{sample.domain}': an answer or choice is "
                    f"{len(ids)} tokens long, as backbone.caption writes it; '{self._name}' reads "
                    f"at most {self._length}: shorten it"
                )
            cached = self._padded(ids)
            self._texts.put(key, cached, size_bytes=8 * len(cached) + 200)
        return cached

    def _padded(self, ids: list[int]) -> list[int]:
        # To the full length: some of these models read the padding too, and were trained so.
        return ids + [self._pad_id()] * (self._length - len(ids))

    def _pad_id(self) -> int:
        if self._tokenizer.pad_token_id is None:
            raise ModelError(
                f"backbone '{self._name}' names no padding token; set pad_token in its "
                "tokenizer_config.json"
            )
        return self._tokenizer.pad_token_id
