"""The embedded backbone's folder, its template, and its tokenizer."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from transferlab.tiny.architecture import ASSETS, model_for, save, train_tokenizer
from transferlab.tiny.language_stage import Conversations, Example
from transferlab.tiny.sentences import field_sentences


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(ASSETS)


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)


def test_the_shipped_backbone_keeps_its_promises():
    model = AutoModelForImageTextToText.from_pretrained(ASSETS)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert 3e6 <= parameters <= 6e6
    assert (ASSETS / "model.safetensors").stat().st_size <= 16 * 2**20
    assert model.lm_head.weight is model.model.language_model.embed_tokens.weight
    assert model.dtype == torch.float32


@pytest.mark.parametrize("images", [1, 2])
def test_a_prompt_reads_the_same_as_text_and_as_parts(processor, images):
    text = [{"role": "user", "content": "<image>" * images + "\nWhat colour is it?"}]
    parts = [
        {
            "role": "user",
            "content": [{"type": "image"}] * images
            + [{"type": "text", "text": "\nWhat colour is it?"}],
        }
    ]
    answer = [{"role": "assistant", "content": [{"type": "text", "text": "red"}]}]
    whole = processor.apply_chat_template(parts + answer, tokenize=False)
    assert whole == "<s><|user|>" + "<image>" * images + "What colour is it?<|assistant|>red</s>"
    for turns in (text, parts):
        asked = processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        assert whole.startswith(asked)
        assert whole == processor.apply_chat_template(turns + answer, tokenize=False)


@pytest.mark.parametrize("images", [0, 1, 3])
def test_pretraining_batches_are_what_the_processor_makes(processor, picture, images):
    turns = (("What colour is it?", "a dark red"), ("And how large?", "large"))
    conversation = [
        {"role": role, "content": text}
        for pair in turns
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    conversation[0]["content"] = "<image>" * images + "\n" + conversation[0]["content"]
    text = processor.apply_chat_template(conversation, tokenize=False)
    given = {"images": [[picture] * images]} if images else {}
    expected = processor(text=[text], add_special_tokens=False, return_tensors="pt", **given)
    batch = Conversations(processor).collate([Example(images=(picture,) * images, turns=turns)])
    assert torch.equal(batch["input_ids"], expected["input_ids"])
    if images:
        torch.testing.assert_close(batch["pixel_values"], expected["pixel_values"])
    supervised = batch["labels"][batch["labels"] != -100].tolist()
    assert processor.tokenizer.decode(supervised) == "a dark red</s> large</s>"
    at = (batch["labels"][0] != -100).nonzero()[:, 0]
    assert torch.equal(batch["input_ids"][0][at + 1], batch["labels"][0][at])


def test_padding_is_on_the_left_and_unsupervised(processor, picture):
    short = Example(images=(picture,), turns=(("How large?", "large"),))
    long = Example(images=(picture,), turns=(("Describe the picture.", "a large red ring."),))
    batch = Conversations(processor).collate([short, long])
    padded = batch["attention_mask"][0] == 0
    assert padded.any()
    assert not batch["attention_mask"][0, padded.sum() :].eq(0).any()
    assert (batch["labels"][0][padded] == -100).all()
    assert (batch["input_ids"][0][padded] == processor.tokenizer.pad_token_id).all()


@pytest.mark.parametrize(
    "text",
    [
        "a small dotted red star at the upper left.",
        "Cardiomegaly with effusion, 42 years; O2 97%",
        "é ß 中 \N{GREEK SMALL LETTER MU}m",
    ],
)
def test_text_comes_back_as_it_went_in(processor, text):
    tokens = processor.tokenizer(text)["input_ids"]
    assert processor.tokenizer.decode(tokens, skip_special_tokens=True) == text


def test_words_of_the_target_fields_are_few_tokens(processor):
    words = [
        "cardiomegaly",
        "effusion",
        "pneumothorax",
        "radiograph",
        "lecture",
        "triangle",
    ]
    counts = {word: len(processor.tokenizer.tokenize(word)) for word in words}
    assert max(counts.values()) <= 4, counts


def test_the_same_seed_gives_the_same_weights(processor):
    one, same, other = (model_for(processor.tokenizer, seed=seed) for seed in (1, 1, 2))
    name = next(name for name in one.state_dict() if name.endswith("layers.0.mlp.fc1.weight"))
    assert torch.equal(one.state_dict()[name], same.state_dict()[name])
    assert not torch.equal(one.state_dict()[name], other.state_dict()[name])


def test_a_new_tokenizer_is_the_same_one_each_time():
    texts = field_sentences()[:800]
    one, two = (train_tokenizer(texts, vocabulary=700) for _ in range(2))
    assert one.get_vocab() == two.get_vocab()
    assert len(one) == 700


def test_saved_is_what_loads(processor, tmp_path):
    model = model_for(processor.tokenizer, seed=3)
    save(model, processor, tmp_path)
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path)
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), name
    assert AutoProcessor.from_pretrained(tmp_path).chat_template == processor.chat_template
