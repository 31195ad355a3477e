"""System texts and tools' turns, by what a chat template does with roles.

The templates are written here in our own way, by what published ones do.
"""

import family_parts
import pytest

from transferlab.backbone.processing.chat import Chat
from transferlab.backbone.processing.layouts import Interleaved
from transferlab.core.records import MEDIA_SLOT
from transferlab.core.text.conversation import Turn
from transferlab.errors import ModelError

CONTENT = (
    "{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}"
    "{% endif %}"
)
ASK = "{% if add_generation_prompt %}[assistant]{% endif %}"


def each(body):
    return "{% for m in messages %}" + body + "{% endfor %}" + ASK


NAMED = each("[{{ m.role }}]" + CONTENT + "</s>")
ALTERNATING = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}[{{ m.role }}]" + CONTENT + "</s>"
    "{% endfor %}" + ASK
)
HEAD = (
    "{% if messages[0].role == 'system' %}{% set head = messages[0].content[0].text + '\\n\\n' %}"
    "{% set rest = messages[1:] %}{% else %}{% set head = '' %}{% set rest = messages %}{% endif %}"
    "{% for m in rest %}[{{ m.role }}]{{ head if loop.first else '' }}" + CONTENT + "</s>"
    "{% endfor %}" + ASK
)
AS_TEXT = (
    "{% if messages[0].role == 'system' %}[system]{{ messages[0].content | trim }}</s>"
    "{% set messages = messages[1:] %}{% endif %}" + NAMED
)
NOT_BESIDE_PICTURES = (
    "{% for m in messages %}{% if m.role == 'system' %}{% for other in messages %}"
    "{% if other.content is not string %}{% for part in other.content %}"
    "{% if part.type == 'image' %}{{ raise_exception('no system text with images') }}{% endif %}"
    "{% endfor %}{% endif %}{% endfor %}{% endif %}{% endfor %}" + NAMED
)
ONE_SPEAKER = each("[{{ 'assistant' if m.role == 'assistant' else 'user' }}]" + CONTENT + "</s>")
ANSWERED = each(
    "{% if m.role == 'user' %}[user]{% else %}[assistant]{% endif %}" + CONTENT + "</s>"
)
DROPPED = each(
    "{% if m.role in ['user', 'assistant'] %}[{{ m.role }}]" + CONTENT + "</s>{% endif %}"
)
TURNS = (
    Turn(role="system", text="Be short."),
    Turn(role="user", text=f"{MEDIA_SLOT}What?"),
    Turn(role="assistant", text="A disc.", learned=True),
    Turn(role="user", text="Red?"),
)
REST = "What?</s>[assistant]A disc.</s>[user]Red?</s>[assistant]"
IN_ITS_ROLE = f"[system]Be short.</s>[user]<image>{REST}"
AT_THE_USERS_HEAD = f"[user]Be short.\n\n<image>{REST}"
WRITTEN = {
    "a role of its own": (NAMED, IN_ITS_ROLE),
    "a role that takes text alone": (AS_TEXT, IN_ITS_ROLE),
    "put before the user's words by the template, as Gemma 3's": (HEAD, AT_THE_USERS_HEAD),
    "refused, as Gemma's": (ALTERNATING, AT_THE_USERS_HEAD),
    "refused beside pictures, as Llama 3.2's": (NOT_BESIDE_PICTURES, AT_THE_USERS_HEAD),
    "written as a user's": (ONE_SPEAKER, AT_THE_USERS_HEAD),
    "written as an answer": (ANSWERED, AT_THE_USERS_HEAD),
    "left out": (DROPPED, AT_THE_USERS_HEAD),
}


class Processor:
    def __init__(self, template):
        self.tokenizer = family_parts.tokenizer()
        self.chat_template = template

    def apply_chat_template(self, given, *, add_generation_prompt, tokenize):
        return self.tokenizer.apply_chat_template(
            given, chat_template=self.chat_template,
            add_generation_prompt=add_generation_prompt, tokenize=tokenize,
        )  # fmt: skip


def chat_of(template):
    processor = Processor(template)
    layout = Interleaved(processor, image_token="<image>")
    end = processor.tokenizer.eos_token_id
    return Chat(processor, name="x", end_ids=[end], layout=layout)


@pytest.mark.parametrize("case", WRITTEN)
def test_a_system_text_is_written_where_the_templates_authors_put_it(case):
    template, expected = WRITTEN[case]
    chat = chat_of(template)
    text = chat.prompt_text(TURNS, [1])
    assert text == expected
    (span,) = chat.answer_spans(TURNS, [1])
    assert text[slice(*span)] == "A disc.</s>"


def test_the_same_conversation_without_a_system_text_is_the_same_everywhere():
    texts = {chat_of(template).prompt_text(TURNS[1:], [1]) for template, _ in WRITTEN.values()}
    assert texts == {f"[user]<image>{REST}"}


def test_system_texts_without_a_question_are_the_users_turn():
    turns = (Turn(role="system", text="Describe a disc."),)
    assert chat_of(NAMED).prompt_text(turns, []) == "[system]Describe a disc.</s>[assistant]"
    assert chat_of(ALTERNATING).prompt_text(turns, []) == "[user]Describe a disc.</s>[assistant]"


def test_a_later_system_text_goes_to_the_next_question():
    turns = (*TURNS[1:3], TURNS[0], TURNS[3])
    assert "A disc.</s>[user]Be short.\n\nRed?</s>" in chat_of(ALTERNATING).prompt_text(turns, [1])
    assert "A disc.</s>[system]Be short.</s>[user]Red?" in chat_of(NAMED).prompt_text(turns, [1])


def test_a_template_that_leaves_a_turn_out_is_refused_without_its_text():
    template = (
        "{% for m in messages %}{% if not loop.last and m.role == 'user' %}{% else %}"
        "[{{ m.role }}]" + CONTENT + "</s>{% endif %}{% endfor %}" + ASK
    )
    with pytest.raises(ModelError, match=r"leaves out what a user turn .* says") as caught:
        chat_of(template).prompt_text(TURNS[1:], [1])
    assert "What?" not in str(caught.value)


TOOL = (*TURNS[1:3], Turn(role="tool", text="3 cm"))


@pytest.mark.parametrize(
    ("template", "known"),
    [
        (NAMED, True),
        (ALTERNATING, False),
        (ONE_SPEAKER, False),
        (ANSWERED, False),
        (DROPPED, False),
    ],
)
def test_whether_a_template_knows_tools_is_found_out(template, known):
    chat = chat_of(template)
    assert chat.knows("tool") is known
    if known:
        assert chat.prompt_text(TOOL, [1]).endswith("A disc.</s>[tool]3 cm</s>[assistant]")


PARTLY = NAMED.replace(
    "[{{ m.role }}]", "[{{ m.role }}]{{ 'Well: ' if m.role == 'assistant' else '' }}"
)
NO_END = NAMED.replace("</s>", "|")


def test_answers_that_do_not_follow_the_generation_prompt_are_not_guessed():
    with pytest.raises(ModelError, match="where they can be marked exactly") as caught:
        chat_of(PARTLY).answer_spans(TURNS, [1])
    assert "\n" not in str(caught.value)


def test_earlier_answers_may_lack_what_a_generation_prompt_ends_with():
    """As Qwen 3.5's without thinking, which writes an empty thought before the answer to come."""
    chat = chat_of(NAMED.replace("[assistant]{% endif %}", "[assistant]<no thought>{% endif %}"))
    text = chat.prompt_text(TURNS, [1])
    assert text.endswith("[assistant]<no thought>")
    (span,) = chat.answer_spans(TURNS, [1])
    assert text[slice(*span)] == "A disc.</s>"


def test_an_answer_that_no_end_token_follows_is_marked_alone():
    chat = chat_of(NO_END)
    (span,) = chat.answer_spans(TURNS, [1])
    assert chat.prompt_text(TURNS, [1])[slice(*span)] == "A disc."
