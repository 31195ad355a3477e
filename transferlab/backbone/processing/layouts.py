"""Where a family's processor writes pictures in a prompt, and how it is asked for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL.Image import Image

from transferlab.core.records import MEDIA_SLOT


class Interleaved:
    """Pictures stand where the prompt has them; the processor has a token for them."""

    uses_chat_template = True
    """Whether the processor's chat template is used, where it has one."""
    adds_bos_token = True
    """Whether the tokenizer writes the first token, unless the text already begins with it."""
    supports_multiple_images = True
    """Whether the processor itself can write a prompt with several pictures."""
    answer_has_special_tokens = False
    """Whether an answer stands between the tokenizer's own first and last token."""

    def __init__(self, processor: Any, *, image_token: str) -> None:
        """``image_token``: what a prompt's text holds for a picture."""
        self._processor, self._tokenizer = processor, processor.tokenizer
        self.image_token = image_token

    def prompt_text(self, prompt: str, frames: Sequence[int]) -> str:
        """A prompt without a chat template, one image token per frame.

        Args:
            prompt: with one media slot per medium.
            frames: per slot, how many frames the medium has.
        """
        parts = prompt.split(MEDIA_SLOT)
        slots = [self.image_token * count for count in frames] + [""]
        return "".join(p + s for p, s in zip(parts, slots, strict=True)) + "\n"

    def merge_delimiters(self, text: str) -> str:
        """The text with every picture's own tokens in it, as neighbours make them."""
        return text

    def encode_images(self, frames: Sequence[Image], *, end: str) -> dict[str, Any]:
        """What the processor makes of pictures, with ``end`` after each one's tokens.

        A processor that writes one picture's tokens only is given one; all have the same.
        """
        text = (self.image_token + end) * len(frames)
        return self._call_processor(text=[text], images=[list(frames)])

    def split_per_image(self, parts: list[list[int]], *, count: int) -> list[list[int]]:
        """Of the tokens between end tokens, those of each picture."""
        return parts[:count]

    def encode_prompt(self, text: str, frames: Sequence[Image]) -> dict[str, Any]:
        """What the processor makes of a prompt's text, as it is written here, and its pictures."""
        first = self._tokenizer.bos_token
        add_first = first is None or not text.startswith(first)
        return self._call_processor(
            text=[text], images=[list(frames)], add_special_tokens=add_first
        )

    def words(self, text: str) -> str:
        """A prompt's text without what the processor writes itself."""
        return text.replace(self.image_token, "").removeprefix(self.first_token)

    @property
    def first_token(self) -> str:
        """The token with which the tokenizer begins; "" where it has none."""
        return self._tokenizer.bos_token or self._tokenizer.cls_token or ""

    def _call_processor(self, *, add_special_tokens: bool = False, **given: Any) -> dict[str, Any]:
        specials = {"add_special_tokens": add_special_tokens}
        return dict(self._processor(**given, **specials, return_tensors="pt"))


class ImagePrefix(Interleaved):
    """Before the first token, which the processor writes itself, and a last line break."""

    uses_chat_template = False
    adds_bos_token = False

    def prompt_text(self, prompt: str, frames: Sequence[int]) -> str:
        return f"{self.image_token * sum(frames)}{self._begin()}{words_of(prompt)}\n"

    def encode_prompt(self, text: str, frames: Sequence[Image]) -> dict[str, Any]:
        pictures = self.image_token * len(frames)
        words = text.removeprefix(pictures).removeprefix(self.first_token).removesuffix("\n")
        return self._call_processor(text=[pictures + words], images=[list(frames)])

    def _begin(self) -> str:
        return self.first_token


class SoftPrompt(ImagePrefix):
    """The same place; the processor writes the pictures' tokens itself, whatever the text is."""

    supports_multiple_images = False

    def encode_images(self, frames: Sequence[Image], *, end: str) -> dict[str, Any]:
        return self._call_processor(text=[end * len(frames)], images=[list(frames)])

    def split_per_image(self, parts: list[list[int]], *, count: int) -> list[list[int]]:
        return [parts[0]] * count

    def encode_prompt(self, text: str, frames: Sequence[Image]) -> dict[str, Any]:
        return self._call_processor(
            text=[self.words(text)], images=[list(frames)], add_special_tokens=True
        )

    def prompt_text(self, prompt: str, frames: Sequence[int]) -> str:
        return super().prompt_text(prompt, frames) + self._end()

    def words(self, text: str) -> str:
        return super().words(text).removesuffix(self._end())

    def _begin(self) -> str:
        usual = self._tokenizer("")["input_ids"][:1] == [self._tokenizer.bos_token_id]
        return self.first_token if usual else ""

    def _end(self) -> str:
        """What closes the prompts of an encoder."""
        usual = self._tokenizer("")["input_ids"][-1:] == [self._tokenizer.eos_token_id]
        return self._tokenizer.eos_token if usual else ""


class DelimitedTokens(Interleaved):
    """Where the prompt has them, between two marks; pictures side by side share a mark."""

    mark = "<fake_token_around_image>"

    def merge_delimiters(self, text: str) -> str:
        return text.replace(self.mark * 2, self.mark)


class InterleavedCrossAttention(DelimitedTokens):
    """The same; the processor is given a list of words and pictures, and strips their blanks."""

    uses_chat_template = False
    adds_bos_token = False

    def prompt_text(self, prompt: str, frames: Sequence[int]) -> str:
        parts = [part.strip(" ") for part in prompt.split(MEDIA_SLOT)]
        slots = [self.image_token * count for count in frames] + [""]
        return self.first_token + "".join(p + s for p, s in zip(parts, slots, strict=True)) + "\n"

    def encode_images(self, frames: Sequence[Image], *, end: str) -> dict[str, Any]:
        items = [item for frame in frames for item in (frame, end)]
        return self._call_processor(text=[items])

    def encode_prompt(self, text: str, frames: Sequence[Image]) -> dict[str, Any]:
        words = text.removeprefix(self.first_token).split(self.image_token)
        items: list[Any] = [words[0]]
        for frame, part in zip(frames, words[1:], strict=True):
            items += [frame, part]
        given = [item for item in items if item != ""]
        return self._call_processor(text=[given])


class _SingleImage(Interleaved):
    """The processor writes one picture; the tokens of all are the same."""

    uses_chat_template = False
    adds_bos_token = False
    supports_multiple_images = False

    def encode_images(self, frames: Sequence[Image], *, end: str) -> dict[str, Any]:
        given = self.one(end * len(frames), frames[0])
        pixels = self._processor.image_processor(list(frames), return_tensors="pt")
        return given | dict(pixels)

    def split_per_image(self, parts: list[list[int]], *, count: int) -> list[list[int]]:
        return [parts[0]] * count

    def one(self, text: str, frame: Image, *, add_special_tokens: bool = False) -> dict[str, Any]:
        """What the processor makes of one picture and a text."""
        return self._call_processor(
            text=[text], images=[frame], add_special_tokens=add_special_tokens
        )


class EncoderDecoder(_SingleImage):
    """Before the first token of what an encoder reads; its last token closes the prompt."""

    answer_has_special_tokens = True

    def prompt_text(self, prompt: str, frames: Sequence[int]) -> str:
        last = self._tokenizer.eos_token
        return f"{self.image_token * sum(frames)}{self.first_token}{words_of(prompt)}{last}"

    def encode_prompt(self, text: str, frames: Sequence[Image]) -> dict[str, Any]:
        words = text.removeprefix(self.image_token).removeprefix(self.first_token)
        return self.one(words.removesuffix(self._tokenizer.eos_token), frames[0])


class ImageSpan(_SingleImage):
    """After the first token; a run of picture tokens, the first of which only opens the picture.

    The processor writes ordinary tokens at the others' places, of which the model reads none;
    here the opening token stands there too, so that they can be told from words.
    """

    def prompt_text(self, prompt: str, frames: Sequence[int]) -> str:
        # The blank is the processor's.
        return f"{self.first_token}{self.image_token * sum(frames)} {words_of(prompt)}"

    def one(self, text: str, frame: Image, *, add_special_tokens: bool = False) -> dict[str, Any]:
        given = super().one(text, frame, add_special_tokens=add_special_tokens)
        opens = self._tokenizer.convert_tokens_to_ids(self.image_token)
        where = given["image_embeds_position_mask"].bool()
        return given | {"input_ids": given["input_ids"].masked_fill(where, opens)}

    def encode_prompt(self, text: str, frames: Sequence[Image]) -> dict[str, Any]:
        words = text.removeprefix(self.first_token + self.image_token).removeprefix(" ")
        return self.one(words, frames[0], add_special_tokens=True)


class ModelPrepended(Interleaved):
    """Before the text, without any token: the model puts them there itself."""

    uses_chat_template = False
    adds_bos_token = False

    def prompt_text(self, prompt: str, frames: Sequence[int]) -> str:
        return f"{self.first_token}{words_of(prompt)}"

    def encode_images(self, frames: Sequence[Image], *, end: str) -> dict[str, Any]:
        return dict(self._processor.image_processor(list(frames), return_tensors="pt"))

    def encode_prompt(self, text: str, frames: Sequence[Image]) -> dict[str, Any]:
        return self._call_processor(text=[text], images=list(frames))


LAYOUTS = {
    "interleaved": Interleaved,
    "image_prefix": ImagePrefix,
    "soft_prompt": SoftPrompt,
    "delimited": DelimitedTokens,
    "cross_attention": InterleavedCrossAttention,
    "encoder_decoder": EncoderDecoder,
    "image_span": ImageSpan,
    "model_prepended": ModelPrepended,
}


def words_of(prompt: str) -> str:
    """A prompt without its media slots."""
    return prompt.replace(MEDIA_SLOT, "").strip()
