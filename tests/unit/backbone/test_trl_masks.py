"""The same conversations through TRL's own collator; only where TRL is installed."""

from pathlib import Path

import pytest
from backbone_cases import tiny
from conversation_cases import conversation, messages
from family_cases import FAMILIES, save_family
from test_conversations import PLAIN, images, row_of

trl = pytest.importorskip("trl", reason="TRL is compared with where it is installed")

COMPARED = sorted(set(FAMILIES) - PLAIN - {"idefics2", "gemma3n"})
"""Of IDEFICS 2, transformers 5.24 does not move marks by what pictures stand for."""
PUBLISHED = {
    "qwen2_5_vl": "<|im_end|>",
    "qwen3_vl": "<|im_end|>",
    "idefics3": "<end_of_utterance>",
    "smolvlm": "<end_of_utterance>",
}
"""Templates that TRL ships as their authors publish them, and with marks; the end of a turn."""


def trl_row(processor, template=None):
    """TRL's ids, and which of them it supervises."""
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    collator = DataCollatorForVisionLanguageModeling(
        processor, assistant_only_loss=True, chat_template=template
    )
    given = collator([{"messages": messages(), "images": images()}])
    return given["input_ids"][0].tolist(), (given["labels"][0] != -100).tolist()


@pytest.mark.parametrize("family", COMPARED)
def test_ids_and_masks_are_trls(family, tmp_path):
    backbone = tiny(model=str(save_family(family, tmp_path)), adapter=None)
    ids, supervised = row_of(backbone, conversation(learned=True))
    expected, marks = trl_row(backbone.processor)
    assert ids == expected[: len(ids)]
    assert supervised == marks[: len(ids)]


def test_the_embedded_backbones_are_trls():
    backbone = tiny(adapter=None)
    assert row_of(backbone, conversation(learned=True)) == trl_row(backbone.processor)


@pytest.mark.parametrize("name", PUBLISHED)
def test_answers_found_in_a_published_template_are_those_that_trl_marks_in_its_own(name, tmp_path):
    folder = save_family(name, tmp_path)
    templates = Path(trl.__file__).parent / "chat_templates"
    published, marked = (
        (templates / f"{name}{ending}.jinja").read_text() for ending in ("", "_training")
    )
    first = tiny(model=str(folder), adapter=None)
    first.processor.tokenizer.add_special_tokens(
        {"extra_special_tokens": [PUBLISHED[name], "<|im_start|>", "<|begin_of_text|>"]},
        replace_extra_special_tokens=False,
    )
    first.processor.tokenizer.eos_token = PUBLISHED[name]
    first.processor.chat_template = published
    first.save_processor(folder)
    backbone = tiny(model=str(folder), adapter=None)
    ids, supervised = row_of(backbone, conversation(learned=True))
    expected, marks = trl_row(backbone.processor, marked)
    assert ids == expected[: len(ids)]
    # TRL also trains the line break that ends a turn, which nothing is asked to write.
    apart = [token for token, a, b in zip(ids, supervised, marks, strict=False) if a != b]
    assert backbone.processor.tokenizer.decode(apart).strip() == ""
    assert sum(supervised) > 12
