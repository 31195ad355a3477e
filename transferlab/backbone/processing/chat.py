"""Prompts and answers as text and tokens: the chat template, and where the answer begins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import jinja2

from transferlab.backbone.processing.answer_spans import Span, answer_part, spans_of_answers
from transferlab.backbone.processing.layouts import Interleaved
from transferlab.backbone.processing.messages import (
    Form,
    Message,
    form_of_role,
    message,
    message_with_media,
    text_part,
    with_merged_system,
)
from transferlab.backbone.processing.reserved_tokens import PROBE, reserved_in, reserved_words
from transferlab.core.records import MEDIA_SLOT
from transferlab.core.text.conversation import Role, Turn, flatten_turns
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
            rendered = self._render([message("user", [text_part(PROBE)])])
        words = map(re.escape, reserved_words(self._tokenizer, rendered))
        self._reserved = re.compile("|".join(words) or r"(?!)")
        self._moves_pictures = self._templated and bool(self.image_token) and self._probe_order()
        self._forms: dict[Role, Form | None] = {}
        """Of the roles that were met beside user and assistant."""

    def reserved_in(self, text: str) -> str | None:
        """A word of a sample's text that the backbone would read as one of its own, or None.

        In an answer "</s>" would end what is learned; in a question "<|assistant|>" would begin
        one.
        """
        return reserved_in(text, self._reserved)

    def prompt_text(
        self, prompt: str | Sequence[Turn], frames: Sequence[int], sounds: Sequence[bool] = ()
    ) -> str:
        """The prompt as the model reads it, with one image token per frame.

        Args:
            prompt: a user's, or the turns of a conversation; with one media slot per medium.
            frames: per slot, how many frames the medium has.
            sounds: per slot, whether its sound comes after them; none does where nothing is given.

        Raises:
            ModelError: the template cannot write it, or leaves something of it out.
        """
        turns = _as_turns(prompt)
        if not self._templated:
            return self.layout.prompt_text(flatten_turns(turns), frames)
        text = self._render(self._messages(turns, frames, sounds))
        if len(turns) > 1 or turns[0].role != "user":
            self._refuse_left_out(turns, text)
        return text

    def knows(self, role: Role) -> bool:
        """Whether the chat template has a role, and writes its turns as no other's."""
        if role in ("user", "assistant"):
            return True
        return self._templated and self._form(role) is not None

    def answer_spans(
        self, turns: Sequence[Turn], frames: Sequence[int], sounds: Sequence[bool] = ()
    ) -> list[Span]:
        """Where those answers stand in ``prompt_text`` that are learned beside the last one.

        The template's own marks say so where it has them: end token and what it writes after it
        are marked or not, as its authors do. Else it is the answer with an end token after it.

        Raises:
            ModelError: it cannot be told exactly.
        """
        spans = None
        if self._templated:
            spans = spans_of_answers(
                self._messages(turns, frames, sounds),
                [turn.text for turn in turns if turn.role == "assistant"],
                whole=self.prompt_text(turns, frames, sounds),
                render=self._render,
                template=self._processor.chat_template,
                special_tokens=self._tokenizer.special_tokens_map,
                ends=[self._tokenizer.convert_ids_to_tokens(one) for one in self.end_ids],
            )
        if spans is None or not self._tokenizer.is_fast:
            raise ModelError(
                f"backbone '{self._name}' has no chat template that writes the earlier answers of "
                "a conversation where they can be marked exactly; set source.options.answers of "
                "the domain to each or last, or choose another backbone"
            )
        answers = (turn for turn in turns if turn.role == "assistant")
        return [span for span, turn in zip(spans, answers, strict=True) if turn.learned]

    def tokens(self, text: str) -> list[int]:
        """Token ids of a whole exchange, or of its beginning."""
        return self._tokenizer(text, add_special_tokens=self._adds_first(text))["input_ids"]

    def tokens_at(self, text: str, spans: Sequence[Span]) -> list[int]:
        """The positions in ``tokens(text)`` of the tokens that stand in one of the spans."""
        first = self._adds_first(text)
        given = self._tokenizer(text, add_special_tokens=first, return_offsets_mapping=True)
        # As transformers marks what a template's own generation marks hold.
        return [
            at
            for at, (begin, end) in enumerate(given["offset_mapping"])
            if any(begin < last and end > start for start, last in spans)
        ]

    def _adds_first(self, text: str) -> bool:
        # Templates that write the first token themselves must not get it twice.
        first = self._tokenizer.bos_token
        return self.layout.adds_bos_token and (first is None or not text.startswith(first))

    def answer_tokens(
        self,
        prompt: str | Sequence[Turn],
        frames: Sequence[int],
        answer: str,
        *,
        start: list[int],
        sounds: Sequence[bool] = (),
    ) -> list[int]:
        """What the model must say after the prompt: the answer's tokens and one end token.

        Args:
            prompt: as for ``prompt_text``.
            frames: per slot, how many frames the medium has.
            sounds: per slot, whether its sound comes after them; none does where nothing is given.
            answer: as the sample or a choice has it.
            start: the tokens of the prompt's text, image tokens not yet expanded.

        Raises:
            ModelError: the template does not continue the prompt, so that no token is surely the
                answer's first.
        """
        if self._templated:
            asked = self._messages(_as_turns(prompt), frames, sounds)
            opening = self._render(asked)
            exchange = [*asked, message("assistant", [text_part(answer)])]
            written = self._render(exchange, add_generation_prompt=False)
            part = answer_part(opening, written, answer)
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

    def _messages(
        self, turns: Sequence[Turn], frames: Sequence[int], sounds: Sequence[bool]
    ) -> list[Message]:
        """The turns as the template takes them; what it has no system role for goes to the user."""
        if any(turn.role == "system" for turn in turns) and not self.knows("system"):
            turns = with_merged_system(turns)
        messages, begin = [], 0
        for turn in turns:
            end = begin + turn.text.count(MEDIA_SLOT)
            messages.append(self._message(turn, frames[begin:end], sounds[begin:end]))
            begin = end
        return messages

    def _message(self, turn: Turn, frames: Sequence[int], sounds: Sequence[bool]) -> Message:
        """A turn. Pictures stand where it has them, also with a template that puts all of them
        before the text: that one gets them as words of the text."""
        as_text = turn.role in ("system", "tool") and self._form(turn.role) == "text"
        in_front = MEDIA_SLOT not in _IN_FRONT.sub("", turn.text)
        if not as_text and (not self._moves_pictures or any(sounds) or in_front):
            return message_with_media(turn, frames, sounds)
        parts = turn.text.split(MEDIA_SLOT)
        pictures = ["", *(self.image_token * count for count in frames)]
        text = "".join(a + b for a, b in zip(pictures, parts, strict=True))
        return message(turn.role, text if as_text else [text_part(text)])

    def _form(self, role: Role) -> Form | None:
        if role not in self._forms:
            picture = bool(self.image_token)
            self._forms[role] = form_of_role(role, self._render, picture=picture)
        return self._forms[role]

    def _probe_order(self) -> bool:
        """Whether the template moves a picture that stands after words to before them."""
        asked = message_with_media(Turn(role="user", text=f"{PROBE}{MEDIA_SLOT}"), [1])
        before, _, after = self._render([asked]).partition(PROBE)
        return self.image_token in before and self.image_token not in after

    def _refuse_left_out(self, turns: Sequence[Turn], text: str) -> None:
        for turn in turns:
            pieces = (piece.strip() for piece in turn.text.split(MEDIA_SLOT))
            # Some templates leave the thinking out of earlier answers, as they were trained.
            if turn.role != "assistant" and not all(piece in text for piece in pieces):
                raise ModelError(
                    f"backbone '{self._name}': its chat template leaves out what a {turn.role} "
                    "turn of a conversation says; mend the chat_template of its tokenizer or "
                    "processor, or choose another backbone"
                )

    def _render(self, messages: list[Message], *, add_generation_prompt: bool = True) -> str:
        try:
            return self._processor.apply_chat_template(
                messages, add_generation_prompt=add_generation_prompt, tokenize=False
            )
        except (jinja2.TemplateError, TypeError) as error:
            # Its words are left out: a template can put a sample's text into them.
            raise ModelError(
                f"backbone '{self._name}': its chat template cannot write a question "
                f"({type(error).__name__}: {_TEMPLATE_FAULTS.get(type(error), 'it fails')}); mend "
                "the chat_template of its tokenizer or processor, or choose another backbone"
            ) from error


def _as_turns(prompt: str | Sequence[Turn]) -> Sequence[Turn]:
    return [Turn(role="user", text=prompt)] if isinstance(prompt, str) else prompt
