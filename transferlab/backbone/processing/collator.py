"""Samples to batches: media and text tokenised once, padded on the left, answers marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from transferlab.backbone.base.byte_cache import ByteCache
from transferlab.backbone.processing.audio_encoder import AudioEncoder, EncodedAudio, stack_audio
from transferlab.backbone.processing.chat import Chat
from transferlab.backbone.processing.media_encoder import MediaEncoder, join_media
from transferlab.core.batch import IGNORE_INDEX, Batch, join_extra_inputs
from transferlab.core.records import Sample
from transferlab.errors import DataError, ModelError

TEXT_CACHE_BYTES = 64 * 2**20
_ENTRY_BYTES = 500
"""Of a kept list of tokens: key and objects, beside 8 bytes per token."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A sample's prompt as token ids."""

    ids: list[int]
    """As the model reads them."""
    start: list[int]
    """The same with one image token per frame: where answers begin is found on the short form."""
    frames: tuple[int, ...]
    """Per medium."""
    extra_inputs: dict[str, Tensor]
    """What else the model reads of the prompt, by the name of its argument; (1, ...)."""
    sounds: tuple[bool, ...]
    """Per medium: whether its sound is audio."""
    learned: tuple[int, ...] = ()
    """The positions in ``ids`` of earlier answers' tokens that training supervises."""


class Collator:
    """Makes the batches of one backbone, and remembers the tokens of every sample it has met."""

    def __init__(
        self,
        chat: Chat,
        media: MediaEncoder,
        *,
        pad_id: int,
        max_length_tokens: int,
        name: str,
        max_pictures: int | None = None,
        sound: AudioEncoder | None = None,
    ) -> None:
        """
        Args:
            chat: writes exchanges.
            media: encodes pictures.
            pad_id: the token of padding.
            max_length_tokens: of a sample with its answer.
            name: of the backbone, for messages.
            max_pictures: the most that a sample may show, frames counted; None sets no limit.
            sound: encodes sound; None where the backbone does not listen.
        """
        self.chat, self.media = chat, media
        self._pad_id, self._max_length_tokens, self._name = pad_id, max_length_tokens, name
        self._max_pictures, self.sound = max_pictures, sound
        self._prompts: ByteCache[Prompt] = ByteCache(TEXT_CACHE_BYTES)
        self._answers: ByteCache[list[int]] = ByteCache(TEXT_CACHE_BYTES)
        self._expansion_checked = False

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """The samples with their answers, for training.

        A row is the prompt and the answer without its last token; the label at each position is
        the token that the model must say next, so the end token is the last row position's label.
        Earlier answers of a conversation have labels too, where they are to be learned.

        Raises:
            DataError: a medium cannot be read, or a sample is longer than the backbone may take.
        """
        answers = [self.answer(sample, sample.answer) for sample in samples]
        return self._batch(samples, answers, with_history=True)

    def choices(self, samples: Sequence[Sample], answers: Sequence[str]) -> Batch:
        """The samples with other answers than their own, one each.

        Raises:
            DataError: as for ``collate``.
        """
        pairs = zip(samples, answers, strict=True)
        return self._batch(samples, [self.answer(sample, answer) for sample, answer in pairs])

    def prompts(self, samples: Sequence[Sample]) -> Batch:
        """The samples without their answers; no position is supervised.

        Raises:
            DataError: as for ``collate``.
        """
        return self._batch(samples, [[] for _ in samples])

    def prompt(self, sample: Sample) -> Prompt:
        """The sample's prompt as token ids; its media are decoded at the first call only."""
        key = (sample.id, sample.turns, sample.media)
        cached = self._prompts.get(key)
        if cached is not None:
            return cached
        self._refuse_reserved(sample, sample.full_prompt, what="prompt")
        self._refuse_unknown_roles(sample)
        media = self.media.encode(sample.media)
        self._refuse_many(sample, sum(media.frames))
        sounds = tuple(ref.sound for ref in sample.media)
        audio = self._encode_audio(sample)
        text = self.chat.prompt_text(sample.turns, media.frames, sounds)
        whole = self._fill_audio_slots(self._expand(text, media.texts, sample), audio)
        ids = self.chat.tokens(whole)
        if any(media.texts) and not audio and not self._expansion_checked:
            self._check_expansion(text, ids, sample)
        prompt = Prompt(
            ids=ids,
            start=self.chat.tokens(text),
            frames=media.frames,
            extra_inputs={n: torch.tensor([ids]) for n, ids in self.chat.extra_inputs(text).items()}
            | stack_audio(audio),
            sounds=sounds,
            learned=self._learned(sample, text, whole, media.texts, audio),
        )
        size_bytes = sum(tensor.nbytes for tensor in prompt.extra_inputs.values())
        self._prompts.put(key, prompt, size_bytes=size_bytes + _ENTRY_BYTES + 16 * len(ids))
        return prompt

    def answer(self, sample: Sample, answer: str) -> list[int]:
        """The tokens of ``answer`` after the sample's prompt, the end token included.

        Raises:
            DataError: the answer holds one of the backbone's own tokens.
        """
        prompt = self.prompt(sample)
        # All that the tokens depend on: samples that ask the same of other media share them.
        key = (sample.turns, prompt.frames, prompt.sounds, answer)
        cached = self._answers.get(key)
        if cached is None:
            self._refuse_reserved(sample, answer, what="answer or a choice")
            cached = self.chat.answer_tokens(
                sample.turns, prompt.frames, answer, start=prompt.start, sounds=prompt.sounds
            )
            if self.chat.image_id in cached or self.chat.picture_id in cached:
                raise DataError(
                    f"sample '{sample.id}' of '{sample.domain}': its answer or a choice holds the "
                    f"image token '{self.chat.image_token}'; remove it"
                )
            self._answers.put(key, cached, size_bytes=_ENTRY_BYTES + 8 * len(cached))
        return cached

    def _refuse_unknown_roles(self, sample: Sample) -> None:
        # A system text has its place in every template; what a tool says is no user's word.
        if any(turn.role == "tool" for turn in sample.turns) and not self.chat.knows("tool"):
            raise DataError(
                f"sample '{sample.id}' of '{sample.domain}' has a turn of a tool, a role that the "
                f"chat template of '{self._name}' does not know; choose a backbone that knows it, "
                "or write the turn as a user's"
            )

    def _learned(
        self, sample: Sample, text: str, whole: str, texts: Sequence[str], audio: list[EncodedAudio]
    ) -> tuple[int, ...]:
        """The positions of earlier answers that are learned, in the tokens of ``whole``: the prompt
        ``text`` with what pictures (``texts``) and sounds stand for."""
        if not sample.learns_history:
            return ()

        def length(start: str) -> int:
            pictures = start.count(self.chat.image_token) if self.chat.image_token else 0
            sounds = start.count(self.sound.token) if self.sound else 0
            expanded = self._expand(start, texts[:pictures], sample)
            return len(self._fill_audio_slots(expanded, audio[:sounds]))

        prompt_sounds = tuple(ref.sound for ref in sample.media)
        frames = self.media.encode(sample.media).frames
        spans = self.chat.answer_spans(sample.turns, frames, prompt_sounds)
        moved = [(length(text[:begin]), length(text[:end])) for begin, end in spans]
        return tuple(self.chat.tokens_at(whole, moved))

    def _refuse_reserved(self, sample: Sample, text: str, *, what: str) -> None:
        found = self.chat.reserved_in(text)
        if found is not None:
            raise DataError(
                f"sample '{sample.id}' of '{sample.domain}': its {what} holds '{found}', which "
                f"'{self._name}' reads as a token of its own and not as text; remove it"
            )

    def _batch(
        self,
        samples: Sequence[Sample],
        answers: Sequence[list[int]],
        *,
        with_history: bool = False,
    ) -> Batch:
        prompts = [self.prompt(sample) for sample in samples]
        rows = [p.ids + answer[:-1] for p, answer in zip(prompts, answers, strict=True)]
        self._refuse_long(samples, [len(row) for row in rows])
        width = max(len(row) for row in rows)
        ids = np.full((len(rows), width), self._pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        labels = np.full_like(ids, IGNORE_INDEX)
        for at, (row, prompt, answer) in enumerate(zip(rows, prompts, answers, strict=True)):
            begin = width - len(row)
            ids[at, begin:] = row
            mask[at, begin:] = 1
            labels[at, width - len(answer) :] = answer
            if with_history and prompt.learned:
                learned = begin + np.array(prompt.learned)
                labels[at, learned - 1] = ids[at, learned]
        media = [self.media.encode(sample.media) for sample in samples]
        return Batch(
            input_ids=torch.from_numpy(ids),
            attention_mask=torch.from_numpy(mask),
            labels=torch.from_numpy(labels),
            media=join_media([encoded.tensors for encoded in media if encoded.rows]),
            media_rows=tuple(encoded.rows for encoded in media),
            sample_ids=tuple(sample.id for sample in samples),
            pad_id=self._pad_id,
            extra_inputs=join_extra_inputs([(1, prompt.extra_inputs) for prompt in prompts]),
        )

    def _expand(self, text: str, texts: Sequence[str], sample: Sample) -> str:
        """Replace every image token by the text that its frame stands for."""
        if not self.chat.image_token:
            return text
        parts = text.split(self.chat.image_token)
        if len(parts) - 1 != len(texts):
            raise DataError(
                f"sample '{sample.id}' of '{sample.domain}': its prompt, written for backbone "
                f"'{self._name}', has {len(parts) - 1} image token(s) for {len(texts)} frame(s); "
                f"remove '{self.chat.image_token}' from its text"
            )
        return self.chat.layout.merge_delimiters(_filled(parts, texts))

    def _encode_audio(self, sample: Sample) -> list[EncodedAudio]:
        sounding = [ref for ref in sample.media if ref.sound]
        if sounding and self.sound is None:
            raise ModelError(
                f"backbone '{self._name}' does not listen, and the media of '{sample.domain}' have "
                "sound: set sound: false in its domain.yaml, or choose a backbone that listens"
            )
        return [self.sound.encode(ref, sample) for ref in sounding] if self.sound else []

    def _fill_audio_slots(self, text: str, audio: Sequence[EncodedAudio]) -> str:
        """Replace every sound's token by the tokens that it takes."""
        if self.sound is None:
            return text
        parts = text.split(self.sound.token)
        if len(parts) - 1 != len(audio):
            raise DataError(
                f"a prompt for backbone '{self._name}' has {len(parts) - 1} sound token(s) for "
                f"{len(audio)} sound(s): remove '{self.sound.token}' from its text"
            )
        return _filled(parts, [one.text for one in audio])

    def _check_expansion(self, text: str, ids: list[int], sample: Sample) -> None:
        # Once per backbone: what is put together here must be what its processor makes of all.
        if not self.chat.layout.supports_multiple_images and text.count(self.chat.image_token) > 1:
            return
        expected = self.media.whole_prompt(text, sample.media)
        if ids != expected["input_ids"][0].tolist():
            raise ModelError(
                f"backbone '{self._name}': its processor writes prompts with pictures in a way "
                "that cannot be repeated exactly, which batches need; choose another backbone"
            )
        self._expansion_checked = True

    def _refuse_many(self, sample: Sample, pictures: int) -> None:
        if self._max_pictures is not None and pictures > self._max_pictures:
            raise DataError(
                f"sample '{sample.id}' of '{sample.domain}' shows {pictures} pictures, frames "
                f"counted; backbone '{self._name}' sees at most {self._max_pictures} at once: show "
                "fewer frames, or choose another backbone"
            )

    def _refuse_long(self, samples: Sequence[Sample], lengths: Sequence[int]) -> None:
        limit = self._max_length_tokens
        long = [(s, n) for s, n in zip(samples, lengths, strict=True) if n > limit]
        if long:
            named = ", ".join(f"'{s.id}' of '{s.domain}' ({n} tokens)" for s, n in long[:5])
            more = f" and {len(long) - 5} more" if len(long) > 5 else ""
            raise DataError(
                f"longer than backbone.max_length_tokens ({limit}), media tokens and answer "
                f"included: {named}{more}; raise the limit, or shorten the text or the number of "
                "frames; `transferlab validate PIPELINE --data` names their rows"
            )


def _filled(parts: Sequence[str], between: Sequence[str]) -> str:
    """The parts with a text after each but the last."""
    return "".join(p + t for p, t in zip(parts, [*between, ""], strict=True))
