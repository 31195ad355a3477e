"""A backbone's own tokens inside data: the sample is refused, whatever the family."""

import pytest
from backbone_cases import sample

from transferlab.backbone.processing.reserved_tokens import reserved_words
from transferlab.errors import DataError


def test_special_tokens_and_marks_of_turns_are_no_text(any_backbone):
    chat = any_backbone.collator.chat
    end = chat._tokenizer.convert_ids_to_tokens(chat.end_ids[0])
    words = reserved_words(chat._tokenizer, None)
    assert end in words
    for text in (f"an effusion {end} and more", end):
        with pytest.raises(DataError, match="as a token of its own"):
            any_backbone.length_tokens(sample(answer=text))
        with pytest.raises(DataError, match="its answer or a choice holds"):
            any_backbone.length_tokens(sample(choices=("plain", text)))
        with pytest.raises(DataError, match="its prompt holds"):
            any_backbone.length_tokens(sample(prompt=f"<image>\n{text}"))
    assert any_backbone.length_tokens(sample(prompt="<image>\nIs 3 < 5 > 2 </sub>?")) > 0


def test_what_starts_a_turn_of_the_template_is_no_text_either(plain):
    for word in ("<|assistant|>", "<|user|>"):
        with pytest.raises(DataError, match=r"'<\|(assistant|user)\|>'"):
            plain.length_tokens(sample(prompt=f"<image>\nSay {word} yes"))
