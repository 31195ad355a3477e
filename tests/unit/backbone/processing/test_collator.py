"""Batches: what is supervised, how media become rows, and what is refused."""

import pytest
import torch
from backbone_cases import END_OF_TURN, Pictures, picture, sample, tiny

from transferlab.backbone.base.byte_cache import ByteCache
from transferlab.core.batch import Batch
from transferlab.errors import DataError, ModelError


def said(backbone, batch: Batch, row: int) -> str:
    labels = batch.labels[row]
    return backbone.processor.tokenizer.decode(labels[labels != -100])


def test_exactly_the_answer_and_the_end_token_are_supervised(plain):
    answers = ["effusion", "a small pleural effusion on the left", "3"]
    batch, targets = plain.collate([sample(i, answer=a) for i, a in enumerate(answers)])
    assert [said(plain, batch, row) for row in range(3)] == [f"{a}</s>" for a in answers]
    assert torch.equal(targets, batch.targets())
    # Teacher forcing: from the second answer token on, a position's input is the label before it.
    for row in range(3):
        at = (batch.labels[row] != -100).nonzero().flatten()
        assert at[-1] == batch.labels.shape[1] - 1
        assert torch.equal(batch.input_ids[row, at[1:]], batch.labels[row, at[:-1]])
        assert plain.processor.tokenizer.decode(batch.input_ids[row, at[0]]) == "<|assistant|>"


def test_the_end_of_turn_ends_the_supervision(smolvlm_folder):
    backbone = tiny(model=smolvlm_folder)
    batch, _ = backbone.collate([sample(answer="no finding")])
    assert said(backbone, batch, 0) == f"no finding{END_OF_TURN}"


def test_rows_are_padded_on_the_left(plain):
    batch, _ = plain.collate([sample(0, answer="no"), sample(1, answer="no", prompt="<image>")])
    mask = batch.attention_mask
    assert mask[0].all()
    padded = int((mask[1] == 0).sum())
    assert padded > 0
    assert not mask[1, :padded].any()
    assert (batch.input_ids[1, :padded] == batch.pad_id).all()


def test_prompts_are_those_of_the_processor(any_model):
    pictures = Pictures()
    backbone = tiny(pictures, model=any_model)
    one = sample(
        media=(picture(1), picture(2)), prompt="<image>\nbefore\n<image>\nafter: what changed?"
    )
    batch, _ = backbone.collate([one])
    content = [
        {"type": "image"},
        {"type": "text", "text": "\nbefore\n"},
        {"type": "image"},
        {"type": "text", "text": "\nafter: what changed?"},
    ]
    text = backbone.processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    images = [pictures(picture(1))[0], pictures(picture(2))[0]]
    whole = backbone.processor(
        text=[text], images=[images], return_tensors="pt", add_special_tokens=False
    )
    width = whole["input_ids"].shape[1]
    assert torch.equal(batch.input_ids[0, :width], whole["input_ids"][0])
    inputs = backbone.module.inputs(batch)
    for name in whole.keys() - {"input_ids", "attention_mask"}:
        assert torch.equal(inputs[name], whole[name]), name


def test_a_video_is_its_frames(plain):
    clip = sample(media=(picture(7, frames=3),))
    still = sample(1)
    words = sample(2, media=(), prompt="What is an effusion?")
    batch, _ = plain.collate([clip, still, words])
    assert batch.media_rows == (3, 1, 0)
    images = (batch.input_ids == plain.processor.image_token_id).sum(dim=1)
    assert images.tolist() == [147, 49, 0]
    assert torch.equal(batch[1].media["pixel_values"], batch.media["pixel_values"][3:4])


def test_text_alone_needs_no_media_tensors(plain):
    batch, _ = plain.collate([sample(media=(), prompt="What is an effusion?")])
    assert batch.media == {}


def test_media_are_decoded_once():
    pictures = Pictures()
    backbone = tiny(pictures)
    samples = [sample(i, media=(picture(i % 2),)) for i in range(4)]
    first, _ = backbone.collate(samples)
    calls = pictures.calls
    again, _ = backbone.collate(samples)
    assert pictures.calls == calls <= 3  # two pictures, and one to check the processor
    assert torch.equal(first.media["pixel_values"], again.media["pixel_values"])
    assert torch.equal(first.input_ids, again.input_ids)


def test_the_cache_forgets_the_least_recently_used():
    cache: ByteCache[str] = ByteCache(10)
    cache.put("a", "A", size_bytes=4)
    cache.put("b", "B", size_bytes=4)
    assert cache.get("a") == "A"
    cache.put("c", "C", size_bytes=4)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("A", None, "C")
    cache.put("huge", "H", size_bytes=11)
    assert cache.get("huge") is None
    assert cache.used_bytes == 8


def test_a_sample_that_is_too_long_is_named():
    backbone = tiny(max_length_tokens=70)
    fits = sample(0, prompt="<image>\nWhat?")
    long = sample(1, prompt="<image>\n" + "What is to be seen here? " * 9)
    backbone.collate([fits])
    with pytest.raises(DataError, match=r"max_length_tokens \(70\).*'s1' of 'toy'") as caught:
        backbone.collate([fits, long])
    assert "'s0'" not in str(caught.value)


def test_the_length_counts_what_the_model_reads(plain):
    length = plain.collate([sample()])[0].input_ids.shape[1]
    assert plain.length_tokens(sample()) == length
    tiny(max_length_tokens=length).collate([sample()])
    with pytest.raises(DataError, match=f"{length} tokens"):
        tiny(max_length_tokens=length - 1).collate([sample()])


def test_an_image_token_in_an_answer_is_refused(plain):
    with pytest.raises(DataError, match=r"'s0' of 'toy'.*image token '<image>'"):
        plain.collate([sample(answer="see <image>")])


def test_a_template_that_rewrites_the_prompt_is_refused():
    backbone = tiny()
    backbone.processor.chat_template = (
        "{% for message in messages %}{{ message['role'] }}: "
        "{% for part in message['content'] %}{{ part['text'] if 'text' in part else '<image>' }}"
        "{% endfor %}{% endfor %}{% if add_generation_prompt %}your turn: {% endif %}"
    )
    with pytest.raises(ModelError, match="right after the generation prompt"):
        backbone.collate([sample()])


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{{ messages.__class__.__mro__ }}{{ ''.__class__.__subclasses__() }}", "may not"),
        ("{% for message in messages %}{{ message }", "no valid template"),
        ("{{ messages[0].nothing.of.it }}", "does not have"),
        (
            '{{ raise_exception(messages[0]["content"][1]["text"]) }}',
            "refuses the question",
        ),
        ("{{ 'user: ' + messages[0]['content'] }}", "takes texts alone"),
    ],
)
def test_a_template_that_fails_is_one_sentence_without_the_samples_text(template, fault):
    backbone = tiny()
    backbone.processor.chat_template = template
    with pytest.raises(ModelError, match=f"its chat template cannot write.*{fault}") as caught:
        backbone.collate([sample()])
    assert "\n" not in str(caught.value)
    assert "Which finding" not in str(caught.value)


def test_many_labels_are_turned_into_tokens_once_for_all_samples(plain, monkeypatch):
    labels = tuple(f"label {number}" for number in range(40))
    asked = []
    answer_tokens = plain.collator.chat.answer_tokens

    def counted(*given, **options):
        asked.append(given[2])
        return answer_tokens(*given, **options)

    monkeypatch.setattr(plain.collator.chat, "answer_tokens", counted)
    samples = [sample(number, answer=labels[0], choices=labels) for number in range(5)]
    assert len({plain.length_tokens(one) for one in samples}) == 1
    assert sorted(asked) == sorted(labels)
