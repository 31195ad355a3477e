"""What families' published chat templates write, and what is learned of it.

The templates are written here in our own way, by what the published ones do; each expectation is
the text that the template, or the trainer of the family's authors, has for one question.
"""

from dataclasses import dataclass

import family_parts
import pytest

from transferlab.backbone.processing.chat import Chat
from transferlab.backbone.processing.layouts import Interleaved
from transferlab.core.records import MEDIA_SLOT
from transferlab.errors import ModelError

PARTS = "{% for part in m.content %}"
END = "{% endfor %}"
PICTURES = PARTS + "{% if part.type == 'image' %}@P@{% endif %}" + END
TEXTS = PARTS + "{% if part.type == 'text' %}@T@{% endif %}" + END
IN_ORDER = PARTS + "{% if part.type == 'image' %}@P@{% else %}@T@{% endif %}" + END


def first(picture, text="{{ part.text }}"):
    """All pictures, then all texts."""
    return PICTURES.replace("@P@", picture) + TEXTS.replace("@T@", text)


def in_order(picture, text="{{ part.text }}"):
    return IN_ORDER.replace("@P@", picture).replace("@T@", text)


def turns(body, ask, *, begin=""):
    return (
        begin + "{% for m in messages %}" + body + "{% endfor %}"
        "{% if add_generation_prompt %}" + ask + "{% endif %}"
    )  # fmt: skip


@dataclass(frozen=True)
class Family:
    template: str
    picture: str
    end: str
    asked: str
    """The prompt with one picture before "What?"."""
    learned: str
    """What the model must write to answer "yes"."""
    mid: str
    """The user's turn where the picture stands between "Is" and "well?"."""


CHATML = "<|im_start|>{{ m.role }}\n"
FAMILIES = {
    "llava 1.5": Family(
        turns(
            "{{ m.role | upper }}: " + first("<image>\n", "{{ part.text }} "), "ASSISTANT:",
        ),
        "<image>", "</s>",
        "USER: <image>\nWhat? ASSISTANT:", " yes</s>", "USER: Is <image> well? ",
    ),
    "llava next, vicuna": Family(
        turns(
            "{{ m.role | upper }}: " + first("<image>\n", "{{ part.text }} "), "ASSISTANT:",
            begin="A chat. ",
        ),
        "<image>", "</s>",
        "A chat. USER: <image>\nWhat? ASSISTANT:", " yes</s>", "USER: Is <image> well? ",
    ),
    "llava next, mistral": Family(
        turns(
            "{% if m.role == 'user' %}[INST] " + first("<image>\n") + " [/INST]"
            "{% else %} " + TEXTS.replace("@T@", "{{ part.text }}") + "</s> {% endif %}", "",
        ),
        "<image>", "</s>",
        "[INST] <image>\nWhat? [/INST]", " yes</s>", "[INST] Is <image> well? [/INST]",
    ),
    "llava next, llama 3": Family(
        turns(
            "<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
            + first("<image>", "{{ '\\n' + part.text }}<|eot_id|>"),
            "<|start_header_id|>assistant<|end_header_id|>\n\n",
        ),
        "<image>", "<|eot_id|>",
        "<|start_header_id|>user<|end_header_id|>\n\n<image>\nWhat?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "yes<|eot_id|>", "\nIs <image> well?<|eot_id|>",
    ),
    "llava onevision": Family(
        turns(
            "<|im_start|>{{ m.role }} "
            + first("<image>", "{{ '\\n' + part.text }}") + "<|im_end|>",
            "<|im_start|>assistant\n",
        ),
        "<image>", "<|im_end|>",
        "<|im_start|>user <image>\nWhat?<|im_end|><|im_start|>assistant\n",
        "yes<|im_end|>", "<|im_start|>user \nIs <image> well?<|im_end|>",
    ),
    "qwen 2.5 vl": Family(
        turns(
            CHATML + in_order("<|vision_start|><|image_pad|><|vision_end|>") + "<|im_end|>\n",
            "<|im_start|>assistant\n",
            begin="<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n",
        ),
        "<|image_pad|>", "<|im_end|>",
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        "<|vision_start|><|image_pad|><|vision_end|>What?<|im_end|>\n<|im_start|>assistant\n",
        "yes<|im_end|>", "Is <|vision_start|><|image_pad|><|vision_end|> well?",
    ),
    "gemma 3": Family(
        turns(
            "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
            + in_order("<start_of_image>", "{{ part.text | trim }}") + "<end_of_turn>\n",
            "<start_of_turn>model\n", begin="<s>",
        ),
        "<start_of_image>", "<end_of_turn>",
        "<s><start_of_turn>user\n<start_of_image>What?<end_of_turn>\n<start_of_turn>model\n",
        "yes<end_of_turn>", "Is<start_of_image>well?",
    ),
    "idefics 3": Family(
        turns(
            "{{ m.role | capitalize }}{{ ':' if m.content[0].type == 'image' else ': ' }}"
            + in_order("<image>") + "<end_of_utterance>\n", "Assistant:", begin="<s>",
        ),
        "<image>", "<end_of_utterance>",
        "<s>User:<image>What?<end_of_utterance>\nAssistant:", " yes<end_of_utterance>",
        "User: Is <image> well?",
    ),
    "smolvlm": Family(
        turns(
            "{{ m.role | capitalize }}{{ ':' if m.content[0].type == 'image' else ': ' }}"
            + in_order("<image>") + "<end_of_utterance>\n", "Assistant:", begin="<|im_start|>",
        ),
        "<image>", "<end_of_utterance>",
        "<|im_start|>User:<image>What?<end_of_utterance>\nAssistant:", " yes<end_of_utterance>",
        "User: Is <image> well?",
    ),
    "internvl": Family(
        turns(CHATML + in_order("<IMG_CONTEXT>\n") + "<|im_end|>\n", "<|im_start|>assistant\n"),
        "<IMG_CONTEXT>", "<|im_end|>",
        "<|im_start|>user\n<IMG_CONTEXT>\nWhat?<|im_end|>\n<|im_start|>assistant\n",
        "yes<|im_end|>", "Is <IMG_CONTEXT>\n well?",
    ),
    "mllama": Family(
        turns(
            "<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
            + in_order("<|image|>", "{{ part.text | trim }}") + "<|eot_id|>",
            "<|start_header_id|>assistant<|end_header_id|>\n\n", begin="<s>",
        ),
        "<|image|>", "<|eot_id|>",
        "<s><|start_header_id|>user<|end_header_id|>\n\n<|image|>What?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "yes<|eot_id|>", "Is<|image|>well?",
    ),
}  # fmt: skip


class Processor:
    """A tokenizer with the family's tokens, and its template."""

    def __init__(self, family):
        self.tokenizer = family_parts.tokenizer(
            *{family.picture, family.end} - {"</s>"}, "<|im_start|>", "<|start_header_id|>"
        )
        self.chat_template = family.template

    def apply_chat_template(self, given, *, add_generation_prompt, tokenize):
        return self.tokenizer.apply_chat_template(
            given, chat_template=self.chat_template,
            add_generation_prompt=add_generation_prompt, tokenize=tokenize,
        )  # fmt: skip


def chat_of(family):
    processor = Processor(family)
    end = processor.tokenizer.convert_tokens_to_ids(family.end)
    layout = Interleaved(processor, image_token=family.picture)
    return Chat(processor, name="x", end_ids=[end], layout=layout)


@pytest.fixture(params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


def test_the_prompt_is_the_templates(family):
    assert chat_of(family).prompt_text(f"{MEDIA_SLOT}What?", [1]) == family.asked


def test_the_answer_is_what_the_authors_train(family):
    chat = chat_of(family)
    prompt = f"{MEDIA_SLOT}What?"
    start = chat.tokens(chat.prompt_text(prompt, [1]))
    learned = chat.answer_tokens(prompt, [1], "yes", start=start)
    whole = chat.tokens(family.asked + family.learned)
    assert whole[: len(start)] == start
    assert learned == whole[len(start) :]
    assert learned[-1] == chat.end_ids[0]
    assert chat.decode(learned) == "yes"


def test_pictures_stand_where_the_prompt_has_them(family):
    text = chat_of(family).prompt_text(f"Is {MEDIA_SLOT} well?", [1])
    assert family.mid in text
    assert text.count(family.picture) == 1


def test_several_frames_are_several_pictures(family):
    text = chat_of(family).prompt_text(f"Is {MEDIA_SLOT} like {MEDIA_SLOT}?", [2, 1])
    assert text.count(family.picture) == 3
    before, _, after = text.partition(" like" if " like" in text else "like")
    assert before.count(family.picture) == 2
    assert after.count(family.picture) == 1


def test_a_second_picture_stays_behind_the_words_before_it(family):
    text = chat_of(family).prompt_text(f"{MEDIA_SLOT}\ngame {MEDIA_SLOT} then", [1, 1])
    before, _, after = text.partition("game")
    assert (before.count(family.picture), after.count(family.picture)) == (1, 1)


def test_another_text_before_the_answer_is_refused():
    template = turns("{{ m.role }}: " + first("<image>") + "</s>", "robot: ")
    chat = chat_of(Family(template, "<image>", "</s>", "", "", ""))
    start = chat.tokens(chat.prompt_text("What?", []))
    with pytest.raises(ModelError, match="right after the generation prompt"):
        chat.answer_tokens("What?", [], "yes", start=start)
