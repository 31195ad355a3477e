"""Prompts and answers as text and tokens: the chat template, and where the answer begins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os.path import commonprefix
from typing import Any

import jinja2

from transferlab.backbone.processing.layouts import Interleaved
from transferlab.backbone.processing.reserved_tokens import PROBE, reserved_in, reserved_words
from transferlab.core.records import MEDIA_SLOT
from transferlab.errors import ModelError

_IN_FRONT = re.compile(rf"^(?:\s*{re.escape(MEDIA_SLOT)})+")
"""Media before all words."""
_TEMPLATE_FAULTS: dict[type[Exception], str] = {
    jinja2.exceptions.SecurityError: "it does what a template may not",
    jinja2.TemplateSyntaxError: "it is no valid template",
    jinja2.UndefinedError: "it asks for what a question does not have",
    jinja2.TemplateError: "it refuses the question itself",
    TypeError: "it takes texts alone, or mixes what does not fit",
}
"""In words, what a chat template raises."""
NO_TOKEN = -1
"""Stands for a token that no text can hold."""


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
        layout: Interleaved,
        picture_id: int | None = None,
    ) -> None:
        """How one processor writes.

        Args:
            processor: of transformers, with a tokenizer.
            name: of the backbone, for messages.
            end_ids: the tokens at which generation stops, the preferred one first.
            layout: where pictures stand.
            picture_id: the token that the model reads as picture; None takes the image token.
        """
        self._processor, self._tokenizer, self._name = processor, processor.tokenizer, name
        self.end_ids = tuple(end_ids)
        self.layout = layout
        self.image_token = layout.image_token
        """What a prompt's text holds for a picture; "" where nothing does."""
        self.image_id: int = NO_TOKEN
        if self.image_token:
            self.image_id = self._tokenizer.convert_tokens_to_ids(self.image_token)
        self.picture_id = self.image_id if picture_id is None else picture_id
        self._templated = bool(processor.chat_template) and layout.uses_chat_template
        rendered = None
        if self._templated:
            rendered = self._render([_user_turn(PROBE, [])], add_generation_prompt=True)
        words = map(re.escape, reserved_words(self._tokenizer, rendered))
        self._reserved = re.compile("|".join(words) or r"(?!)")
        self._moves_pictures = self._templated and bool(self.image_token) and self._probe_order()

    def reserved_in(self, text: str) -> str | None:
        """A word of a sample's text that the backbone would read as one of its own, or None.

        In an answer "</s>" would end what is learned; in a question "<|assistant|>" would begin
        one.
        """
        return reserved_in(text, self._reserved)

    def prompt_text(self, prompt: str, frames: Sequence[int], sounds: Sequence[bool] = ()) -> str:
        """The prompt as the model reads it, with one image token per frame.

        Args:
            prompt: with one media slot per medium.
            frames: per slot, how many frames the medium has.
            sounds: per slot, whether its sound comes after them; none does where nothing is given.
        """
        if not self._templated:
            return self.layout.prompt_text(prompt, frames)
        return self._render([self._question(prompt, frames, sounds)], add_generation_prompt=True)

    def tokens(self, text: str) -> list[int]:
        """Token ids of a whole exchange, or of its beginning."""
        # Templates that write the first token themselves must not get it twice.
        first = self._tokenizer.bos_token
        add_first = self.layout.adds_bos_token and (first is None or not text.startswith(first))
        return self._tokenizer(text, add_special_tokens=add_first)["input_ids"]

    def answer_tokens(
        self,
        prompt: str,
        frames: Sequence[int],
        answer: str,
        *,
        start: list[int],
        sounds: Sequence[bool] = (),
    ) -> list[int]:
        """What the model must say after the prompt: the answer's tokens and one end token.

        Args:
            prompt: with one media slot per medium.
            frames: per slot, how many frames the medium has.
            sounds: per slot, whether its sound comes after them; none does where nothing is given.
            answer: as the sample or a choice has it.
            start: the tokens of the prompt's text, image tokens not yet expanded.

        Raises:
            ModelError: the template does not continue the prompt, so that no token is surely the
                answer's first.
        """
        if self._templated:
            question = self._question(prompt, frames, sounds)
            turns = [question, _turn("assistant", [_text(answer)])]
            opening = self._render([question], add_generation_prompt=True)
            part = answer_part(opening, self._render(turns, add_generation_prompt=False), answer)
            whole = [] if part is None else self.tokens(opening + part)
            if whole[: len(start)] != start:
                raise ModelError(
                    f"backbone '{self._name}': its chat template does not write the answer right "
                    "after the generation prompt, so answers cannot be marked exactly; choose a "
                    "backbone whose template does"
                )
            answer_ids = whole[len(start) :]
        else:
            specials = self.layout.answer_has_special_tokens
            answer_ids = self._tokenizer(answer, add_special_tokens=specials)["input_ids"]
        return self._until_end(answer_ids)

    def decode(self, answer_ids: list[int]) -> str:
        """Generated tokens as text: what stands before the first end token, no special tokens."""
        ends = [position for position, token in enumerate(answer_ids) if token in self.end_ids]
        text = self._tokenizer.decode(
            answer_ids[: ends[0]] if ends else answer_ids, skip_special_tokens=True
        )
        return text.strip()

    def _until_end(self, answer_ids: list[int]) -> list[int]:
        # Templates end a turn with an end token and often a line break after it, which is never
        # generated; some write no end token at all, and then the model could not learn to stop.
        for position, token in enumerate(answer_ids):
            if token in self.end_ids:
                return answer_ids[: position + 1]
        return [*answer_ids, self.end_ids[0]]

    def extra_inputs(self, text: str) -> dict[str, list[int]]:
        """What else a model reads of a prompt: the tokens of a Q-Former's own tokenizer."""
        queries = getattr(self._processor, "qformer_tokenizer", None)
        if queries is None:
            return {}
        words = self.layout.words(text)
        ids = queries(words)["input_ids"]
        return {"qformer_input_ids": ids, "qformer_attention_mask": [1] * len(ids)}

    def _question(self, prompt: str, frames: Sequence[int], sounds: Sequence[bool]) -> dict:
        """The user's turn. Pictures stand where the prompt has them, also with a template that puts
        all of them before the text: that one gets them as words of the text."""
        in_front = MEDIA_SLOT not in _IN_FRONT.sub("", prompt)
        if not self._moves_pictures or any(sounds) or in_front:
            return _user_turn(prompt, frames, sounds)
        parts = prompt.split(MEDIA_SLOT)
        pictures = ["", *(self.image_token * count for count in frames)]
        return _turn("user", [_text("".join(a + b for a, b in zip(pictures, parts, strict=True)))])

    def _probe_order(self) -> bool:
        """Whether the template moves a picture that stands after words to before them."""
        turn = _user_turn(f"{PROBE}{MEDIA_SLOT}", [1])
        before, _, after = self._render([turn], add_generation_prompt=True).partition(PROBE)
        return self.image_token in before and self.image_token not in after

    def _render(self, turns: list[dict], *, add_generation_prompt: bool) -> str:
        try:
            return self._processor.apply_chat_template(
                turns, add_generation_prompt=add_generation_prompt, tokenize=False
            )
        except (jinja2.TemplateError, TypeError) as error:
            # Its words are left out: a template can put a sample's text into them.
            raise ModelError(
                f"backbone '{self._name}': its chat template cannot write a question "
                f"({type(error).__name__}: {_TEMPLATE_FAULTS.get(type(error), 'it fails')}); mend "
                "the chat_template of its tokenizer or processor, or choose another backbone"
            ) from error


def answer_part(prompt_part: str, whole: str, answer: str) -> str | None:
    """What a template writes after the prompt: the answer, and what ends its turn.

    Whitespace is the prompt's where the two renderings differ in nothing else (LLaVA-OneVision
    writes a blank and a line break before an answer, and a line break alone where it is to be
    generated); between the answer and its end there is none (LLaVA-1.5 puts a blank there, which
    its authors' trainer does not have).

    Args:
        prompt_part: the prompt with its generation prompt.
        whole: the same with the answer.
        answer: as the sample has it.

    Returns:
        None where the template does not write the answer right after the generation prompt.
    """
    shared = len(commonprefix([prompt_part, whole]))
    rest = whole[shared:]
    if shared < len(prompt_part):
        if prompt_part[shared:].strip():
            return None
        if not rest.lstrip().startswith(answer.strip()):
            return None
    if prompt_part[-1:].isspace():
        rest = rest.lstrip()
    written = answer if answer in rest else answer.strip()
    before, found, after = rest.partition(written)
    return before + found + after.lstrip() if found else rest


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _turn(role: str, content: list[dict]) -> dict[str, Any]:
    return {"role": role, "content": content}


def _user_turn(prompt: str, frames: Sequence[int], sounds: Sequence[bool] = ()) -> dict[str, Any]:
    content: list[dict] = []
    for position, part in enumerate(prompt.split(MEDIA_SLOT)):
        if position:
            content += [{"type": "image"}] * frames[position - 1]
            if any(sounds[position - 1 : position]):
                content.append({"type": "audio"})
        if part:
            content.append(_text(part))
    return _turn("user", content)
