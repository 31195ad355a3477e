"""Prompts and answers as text and tokens: the chat template, and where the answer begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transferlab.backbone.families import Layout
from transferlab.core.records import MEDIA_SLOT
from transferlab.errors import ModelError


class Chat:
    """One processor's way of writing an exchange.

    Without a chat template an exchange is the prompt, a line break, the answer and the end token.
    """

    def __init__(
        self,
        processor: Any,
        *,
        name: str,
        end_ids: Sequence[int],
        picture_id: int | None = None,
        layout: Layout = "inline",
    ) -> None:
        """How one processor writes.

        Args:
            processor: of transformers, with a tokenizer and an image token.
            name: of the backbone, for messages.
            end_ids: the tokens at which generation stops, the preferred one first.
            picture_id: the token that the model reads as picture; None takes the image token.
            layout: where pictures stand; see ``Family``.
        """
        self._processor, self._tokenizer, self._name = processor, processor.tokenizer, name
        self.end_ids = tuple(end_ids)
        self.image_token = str(processor.image_token)
        """What a prompt's text holds for a picture."""
        self.image_id: int = self._tokenizer.convert_tokens_to_ids(self.image_token)
        self.picture_id = self.image_id if picture_id is None else picture_id
        self._layout = layout
        self.several_frames_checked = layout != "hidden"
        """Whether the processor itself can write a prompt with several pictures."""
        self._templated = bool(processor.chat_template) and layout == "inline"

    def prompt_text(self, prompt: str, frames: Sequence[int]) -> str:
        """The prompt as the model reads it, with one image token per frame.

        Args:
            prompt: with one media slot per medium.
            frames: per slot, how many frames the medium has.
        """
        if self._layout != "inline":
            words = prompt.replace(MEDIA_SLOT, "").strip()
            return f"{self.image_token * sum(frames)}{self._first_token()}{words}\n"
        if not self._templated:
            parts = prompt.split(MEDIA_SLOT)
            slots = [self.image_token * count for count in frames] + [""]
            return "".join(p + s for p, s in zip(parts, slots, strict=True)) + "\n"
        return self._render([_user_turn(prompt, frames)], add_generation_prompt=True)

    def tokens(self, text: str) -> list[int]:
        """Token ids of a whole exchange, or of its beginning."""
        # Templates that write the first token themselves must not get it twice.
        first = self._tokenizer.bos_token
        add_first = first is None or not text.startswith(first)
        if self._layout != "inline":
            add_first = False
        return self._tokenizer(text, add_special_tokens=add_first)["input_ids"]

    def answer_tokens(
        self, prompt: str, frames: Sequence[int], answer: str, *, start: list[int]
    ) -> list[int]:
        """What the model must say after the prompt: the answer's tokens and one end token.

        Args:
            prompt: with one media slot per medium.
            frames: per slot, how many frames the medium has.
            answer: as the sample or a choice has it.
            start: the tokens of the prompt's text, image tokens not yet expanded.

        Raises:
            ModelError: the template does not continue the prompt, so that no token is surely the
                answer's first.
        """
        if self._templated:
            turns = [_user_turn(prompt, frames), _turn("assistant", [_text(answer)])]
            whole = self.tokens(self._render(turns, add_generation_prompt=False))
            if whole[: len(start)] != start:
                raise ModelError(
                    f"backbone '{self._name}': its chat template does not write the answer right "
                    "after the generation prompt, so answers cannot be marked exactly; choose a "
                    "backbone whose template does"
                )
            said = whole[len(start) :]
        else:
            said = self._tokenizer(answer, add_special_tokens=False)["input_ids"]
        return self._until_end(said)

    def decode(self, said: list[int]) -> str:
        """Generated tokens as text: what stands before the first end token, no special tokens."""
        ends = [position for position, token in enumerate(said) if token in self.end_ids]
        text = self._tokenizer.decode(said[: ends[0]] if ends else said, skip_special_tokens=True)
        return text.strip()

    def _until_end(self, said: list[int]) -> list[int]:
        # Templates end a turn with an end token and often a line break after it, which is never
        # generated; some write no end token at all, and then the model could not learn to stop.
        for position, token in enumerate(said):
            if token in self.end_ids:
                return said[: position + 1]
        return [*said, self.end_ids[0]]

    def _first_token(self) -> str:
        """The token after the pictures: always written by some processors, or as usual."""
        first = self._tokenizer.bos_token or ""
        usual = self._tokenizer("")["input_ids"][:1] == [self._tokenizer.bos_token_id]
        return first if self._layout == "prefix" or usual else ""

    def _render(self, turns: list[dict], *, add_generation_prompt: bool) -> str:
        return self._processor.apply_chat_template(
            turns, add_generation_prompt=add_generation_prompt, tokenize=False
        )


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _turn(role: str, content: list[dict]) -> dict[str, Any]:
    return {"role": role, "content": content}


def _user_turn(prompt: str, frames: Sequence[int]) -> dict[str, Any]:
    content: list[dict] = []
    for position, part in enumerate(prompt.split(MEDIA_SLOT)):
        if position:
            content += [{"type": "image"}] * frames[position - 1]
        if part:
            content.append(_text(part))
    return _turn("user", content)
