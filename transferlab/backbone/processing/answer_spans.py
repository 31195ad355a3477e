"""Where answers stand in what a chat template writes: by its own marks, or by rendering twice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os.path import commonprefix
from typing import Any

from transformers.utils.chat_template_utils import render_jinja_template

from transferlab.backbone.processing.messages import Message, Render

Span = tuple[int, int]
"""Where an answer begins and ends, in characters."""
_MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")


def spans_of_answers(
    messages: Sequence[Message],
    answers: Sequence[str],
    *,
    whole: str,
    render: Render,
    template: Any,
    special_tokens: dict[str, Any],
    ends: Sequence[str],
) -> list[Span] | None:
    """Where every answer of a conversation stands, by its template.

    The template's own marks say so where it has them: end token and what it writes after it are
    learned or not, as its authors do. Else it is the answer, and an end token right after it.

    Args:
        messages: of the conversation.
        answers: those of the messages that are answers, as texts.
        whole: what the template makes of the messages, up to where the next answer begins.
        render: makes that.
        template: of the processor.
        special_tokens: by their names, which templates use.
        ends: the tokens at which generation stops, as texts.

    Returns:
        None where it cannot be told exactly.
    """
    if isinstance(template, str) and _MARK.search(template):
        written, marked = _marked_answers(template, messages, special_tokens=special_tokens)
        return marked if written == whole and len(marked) == len(answers) else None
    at = [number for number, one in enumerate(messages) if one["role"] == "assistant"]
    openings = [render(list(messages[:number])) for number in at]
    found = [
        _earlier_answer(opening, whole, answer, ends=ends)
        for opening, answer in zip(openings, answers, strict=True)
    ]
    sure = [span for span in found if span is not None]
    return sure if len(sure) == len(found) else None


def _marked_answers(
    template: str, messages: Sequence[Message], *, special_tokens: dict[str, Any]
) -> tuple[str, list[Span]]:
    """What a template writes, and what its ``{% generation %}`` marks in it."""
    # What it returns is annotated as one text, and is texts and spans, one each per conversation.
    rendered: Any = render_jinja_template(
        conversations=[list(messages)],
        chat_template=template,
        return_assistant_tokens_mask=True,
        add_generation_prompt=True,
        **special_tokens,
    )
    (text,), (spans,) = rendered
    return text, [(begin, end) for begin, end in spans]


def _earlier_answer(opening: str, whole: str, answer: str, *, ends: Sequence[str]) -> Span | None:
    """Where an answer stands inside a conversation that goes on after it.

    Args:
        opening: what is written before the answer, its generation prompt included.
        whole: the conversation.
        answer: as the sample has it.
        ends: the tokens at which generation stops, as texts.

    Returns:
        None where the answer does not stand where the generation prompt ends or is left.
    """
    # A generation prompt may go on where an earlier answer begins: with thinking that is left out.
    begin = len(commonprefix([opening, whole]))
    if opening[begin - 1 : begin].isspace():
        begin += _blanks(whole, begin)
    said = begin + _blanks(whole, begin)
    written = answer.strip()
    if not whole.startswith(written, said):
        return None
    end = said + len(written)
    after = end + _blanks(whole, end)
    return begin, next((after + len(one) for one in ends if whole.startswith(one, after)), end)


def _blanks(text: str, begin: int) -> int:
    """How much whitespace stands there."""
    rest = text[begin:]
    return len(rest) - len(rest.lstrip())


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
