"""Choices by likelihood and greedy answers, compared with the slow and plain way."""

import numpy as np
import pytest
import torch
from backbone_cases import picture, sample, tiny

from transferlab.backbone.inference import choices
from transferlab.config.backbone import AdapterSection

CLOSED = [
    sample(0, choices=("effusion", "none", "a small nodule in the left upper lobe")),
    sample(1, choices=("yes", "no"), media=(picture(1, frames=2),)),
    sample(2, choices=("effusion", "none"), media=(), prompt="Which? Effusion or none?"),
    sample(3, choices=("pa", "ap", "lateral"), prompt="<image>"),
]


def naive_log_likelihoods(backbone, one) -> list[float]:
    """Every choice trained on by itself: minus the summed loss of its tokens."""
    values = []
    for choice in one.choices:
        given = sample(0, media=one.media, prompt=one.prompt, answer=choice, id=one.id)
        batch, targets = backbone.collate([given])
        with torch.no_grad():
            loss = torch.nn.functional.cross_entropy(
                backbone.module(batch), targets, reduction="sum"
            )
        values.append(-loss.item())
    return values


@pytest.mark.parametrize("batch_samples", [1, 3, 8])
def test_choices_score_as_when_scored_alone(any_backbone, batch_samples):
    predictions = any_backbone.score_choices(CLOSED, batch_samples=batch_samples)
    assert [p.sample.id for p in predictions] == [s.id for s in CLOSED]
    for one, prediction in zip(CLOSED, predictions, strict=True):
        expected = naive_log_likelihoods(any_backbone, one)
        assert prediction.log_likelihoods == pytest.approx(expected, abs=1e-3)
        assert prediction.text == one.choices[expected.index(max(expected))]


def test_more_choices_than_one_round_takes(plain):
    many = sample(choices=tuple(f"number {n}" for n in range(20)))
    (prediction,) = plain.score_choices([many], batch_samples=1)
    assert prediction.log_likelihoods == pytest.approx(naive_log_likelihoods(plain, many), abs=1e-3)


def test_candidates_score_as_choices_do_however_many_there_are(plain):
    candidates = tuple(f"number {n}" for n in range(11))  # two rounds of eight
    asked = [
        sample(0, kind="retrieve", answer=candidates[10]),
        sample(1, kind="retrieve", answer="none of them"),
    ]
    scores = plain.score_candidates(asked, candidates, batch_samples=1)
    assert (scores.shape, scores.dtype) == ((2, 11), np.float32)
    for row, one in zip(scores, asked, strict=True):
        closed = sample(kind="classify", media=one.media, choices=candidates)
        assert row == pytest.approx(naive_log_likelihoods(plain, closed), abs=1e-3)


def test_few_at_a_time_score_as_all_at_once(plain, monkeypatch):
    expected = [one.log_likelihoods for one in plain.score_choices(CLOSED, batch_samples=8)]
    monkeypatch.setattr(choices, "MAX_COPY_BYTES", 1)
    few = plain.score_choices(CLOSED, batch_samples=8)
    for prediction, values in zip(few, expected, strict=True):
        assert prediction.log_likelihoods == pytest.approx(values, abs=1e-4)


def test_a_model_that_goes_on_wrongly_from_its_cache_reads_the_prompt_with_every_choice(
    monkeypatch,
):
    backbone = tiny()
    expected = [naive_log_likelihoods(backbone, one) for one in CLOSED]
    # As where positions are not those of the whole: close, and wrong.
    right = choices.ChoiceReader._continued
    monkeypatch.setattr(choices.ChoiceReader, "_continued", lambda *given: right(*given) + 0.02)
    for prediction, values in zip(
        backbone.score_choices(CLOSED, batch_samples=2), expected, strict=True
    ):
        assert prediction.log_likelihoods == pytest.approx(values, abs=1e-3)


@pytest.mark.parametrize(
    "section",
    [
        {"dtype": "bfloat16"},
        {"adapter": AdapterSection(rank=4, train_embeddings=True)},
        {"adapter": None},
    ],
    ids=["half precision", "trained embeddings", "no adapter"],
)
def test_the_shipped_backbone_goes_on_from_its_cache(section):
    backbone = tiny(**section)
    backbone.score_choices(CLOSED, batch_samples=2)
    assert set(backbone.choice_reader.continues.values()) == {True}


def test_free_text_cannot_be_scored_by_likelihood(plain):
    with pytest.raises(ValueError, match="choices"):
        plain.score_choices([sample()], batch_samples=1)


OPEN = [
    sample(0),
    sample(1, prompt="<image>\nIs there a fracture? Look twice.", media=(picture(1, frames=2),)),
    sample(2, media=(), prompt="What is an effusion?"),
]


def naive_tokens(backbone, one, *, count: int) -> list[int]:
    """The likeliest token after token, each time reading everything anew."""
    batch = backbone.collator.prompts([one])
    inputs = backbone.module.inputs(batch)
    for _ in range(count):
        with torch.no_grad():
            token = backbone.model(**inputs, use_cache=False).logits[:, -1:].argmax(dim=-1)
        inputs["input_ids"] = torch.cat([inputs["input_ids"], token], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    return inputs["input_ids"][0, batch.size(1) :].tolist()


def up_to_the_end(backbone, tokens: list[int]) -> list[int]:
    ends = [at for at, token in enumerate(tokens) if token in backbone.collator.chat.end_ids]
    return tokens[: ends[0]] if ends else tokens


def test_generation_takes_the_likeliest_token(any_backbone):
    decode = any_backbone.processor.tokenizer.decode
    expected = [
        up_to_the_end(any_backbone, naive_tokens(any_backbone, one, count=5)) for one in OPEN
    ]
    for batch_samples in (1, 3):
        said = any_backbone.generate(OPEN, batch_samples=batch_samples, max_new_tokens=5)
        assert [p.sample.id for p in said] == [s.id for s in OPEN]
        assert [p.text for p in said] == [
            decode(tokens, skip_special_tokens=True).strip() for tokens in expected
        ]


def test_generation_ends_at_the_end_token(any_backbone, monkeypatch):
    decode = any_backbone.processor.tokenizer.decode
    tokens = naive_tokens(any_backbone, OPEN[0], count=6)
    # The second word that the model says, or its only one, now means "the end".
    real_ends = any_backbone.collator.chat.end_ids
    later = (one for one in tokens if one != tokens[0] and one not in real_ends)
    end = next(later, tokens[0])
    monkeypatch.setattr(any_backbone.collator.chat, "end_ids", (end,))
    expected = decode(tokens[: tokens.index(end)], skip_special_tokens=True).strip()
    said = any_backbone.generate(OPEN, batch_samples=3, max_new_tokens=6)
    assert said[0].text == expected
    assert expected != decode(tokens, skip_special_tokens=True).strip()


def test_generation_stops_at_the_limit(plain):
    (prediction,) = plain.generate([sample()], batch_samples=1, max_new_tokens=3)
    tokens = plain.processor.tokenizer(prediction.text, add_special_tokens=False)["input_ids"]
    assert len(tokens) <= 3


def test_scoring_leaves_the_mode_as_it_was():
    backbone = tiny()
    for training in (True, False):
        backbone.module.train(training)
        backbone.score_choices(CLOSED[:1], batch_samples=1)
        backbone.features(CLOSED[:1], batch_samples=1)
        assert backbone.model.training is training


def test_batches_made_while_scoring_can_be_trained_on():
    backbone = tiny(fresh=True)
    backbone.score_choices(CLOSED, batch_samples=2)
    batch, targets = backbone.collate(CLOSED)
    torch.nn.functional.cross_entropy(backbone.module(batch), targets).backward()
    gradients = [parameter.grad for parameter in backbone.module.parameters()]
    assert any(one is not None and one.abs().sum() > 0 for one in gradients)


def test_what_was_measured_serves_the_arms_that_share_media_and_adapter():
    backbone = tiny()
    backbone.score_choices(CLOSED, batch_samples=2)
    again = tiny(sharing=backbone)
    assert again.choice_reader.continues == backbone.choice_reader.continues != {}
    other = tiny(sharing=backbone, adapter=None)
    assert other.choice_reader.continues == {}


def test_an_answer_is_as_long_as_it_is_after_its_prompt(any_backbone):
    """Without media, which decide nothing about it; a template may join a blank to a word."""
    for text in ("no", "a large pleural effusion on the left, no pneumothorax"):
        one = sample(0, answer=text)
        exact = len(any_backbone.collator.answer(one, text))
        assert abs(any_backbone.answer_tokens(text) - exact) <= 1
        assert any_backbone.answer_tokens(text) > len(text.split())
