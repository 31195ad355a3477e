"""CLIP and SigLIP behind the same door: zero-shot classification, training by contrast, ranks."""

from dataclasses import replace

import family_contrast
import numpy as np
import pytest
import torch
from backbone_cases import losses_of, picture, sample, tiny, waken

from transferlab.backbone.reload import Probe
from transferlab.config.backbone import AdapterSection, BackboneSection
from transferlab.core.batch import Batch
from transferlab.core.text.conversation import Turn
from transferlab.errors import DataError, ModelError

CHOICES = ("effusion", "pneumonia", "no finding")
CLOSED = [
    sample(1, choices=CHOICES, answer="pneumonia"),
    sample(
        2,
        choices=CHOICES[:2],
        answer="effusion",
        media=(picture(2), picture(3, frames=2)),
        prompt="<image> and <image>?",
    ),
    sample(3, choices=CHOICES, answer="no finding", media=(), prompt="What is it?"),
]
OPEN = [
    sample(4, answer="a large heart"),
    sample(5, answer="clear lungs"),
    sample(6, answer="a large heart"),
]
SAMPLES = CLOSED + OPEN


@pytest.fixture(scope="module", params=["clip", "siglip"])
def folder(request, tmp_path_factory):
    torch.manual_seed(0)
    model, processor = getattr(family_contrast, request.param)()
    where = tmp_path_factory.mktemp(request.param)
    model.save_pretrained(where)
    processor.save_pretrained(where)
    return str(where)


@pytest.fixture(scope="module")
def backbone(folder):
    """With an adapter that changes it; tests leave it as it was."""
    made = tiny(model=folder, adapter=AdapterSection(rank=4))
    waken(made)
    made.module.eval()
    return made


def test_a_conversation_is_one_text_and_its_earlier_answers_are_not_learned(folder):
    backbone = tiny(model=folder, adapter=None, caption="{prompt} {answer}")
    answered = Turn(role="assistant", text="A lung")
    short = replace(CLOSED[2], choices=("no", "yes"), answer="no", prompt="Well?")
    one = replace(short, history=(Turn(role="user", text="What?"), answered))
    flat = replace(one, history=(), prompt="User: What?\nAssistant: A lung\nUser: Well?")
    batch, expected = (backbone.collate([each])[0] for each in (one, flat))
    assert torch.equal(batch.input_ids, expected.input_ids)
    learned = replace(one, history=(one.history[0], replace(answered, learned=True)))
    with pytest.raises(ModelError, match=r"compares and does not write.*options\.answers"):
        backbone.collate([learned])


@pytest.mark.parametrize("asked", [CLOSED[:2], OPEN], ids=["choices", "in_batch"])
def test_the_loss_falls(backbone, asked):
    losses = losses_of(backbone, asked, steps=5)
    assert losses[-1] < losses[0] - 0.03


def test_logits_are_the_models_own(backbone):
    batch, targets = backbone.collate(SAMPLES)
    assert targets.tolist() == [1, 0, 2, 0, 0, 0]
    (ref,) = CLOSED[0].media
    given = backbone.processor(
        text=list(CHOICES),
        images=backbone.collator.media._decode(ref),
        padding="max_length",
        max_length=family_contrast.LENGTH,
        return_tensors="pt",
    )
    given.pop("attention_mask", None)  # CLIP looks back only, SigLIP was trained without one
    with torch.no_grad():
        logits = backbone.module(batch)
        own = backbone.model(**given).logits_per_image[0]
    # SigLIP adds one number to all of them, which no softmax sees.
    torch.testing.assert_close(logits[0, :3] - logits[0, 0], own - own[0], atol=1e-3, rtol=1e-3)
    assert logits[1, 2] < -1000, "a choice that is another sample's"
    assert logits[2, :3].unique().numel() == 1, "nothing is seen, so nothing is likelier"


def test_texts_of_others_are_wrong_answers_unless_they_are_the_same(backbone):
    with torch.no_grad():
        logits = backbone.module(backbone.collate(OPEN)[0])
    assert logits.shape == (3, 4)
    possible = logits > -1000
    assert possible.tolist() == [
        [True, False, True, False],
        [True, True, False, True],
        [True, False, True, False],
    ]


def test_slices_and_joins_of_batches_read_the_same(backbone):
    batch, _ = backbone.collate(SAMPLES)
    joined = Batch.cat([backbone.collate(CLOSED)[0], backbone.collate(OPEN)[0]])
    with torch.no_grad():
        expected = backbone.module(batch)
        torch.testing.assert_close(backbone.module(joined), expected)
        torch.testing.assert_close(
            backbone.module(batch[[1, 0]])[:, :3], expected[[1, 0], :3], atol=1e-4, rtol=1e-4
        )


def test_choices_are_scored_and_free_text_is_refused(backbone):
    found = backbone.score_choices(CLOSED, batch_samples=2)
    assert [p.sample for p in found] == CLOSED
    for prediction in found:
        values = torch.tensor(prediction.log_likelihoods)
        assert torch.isclose(values.exp().sum(), torch.tensor(1.0))
        assert prediction.text == prediction.sample.choices[int(values.argmax())]
    refusal = "task 'finding' of 'toy': .* writes no answers, so a task of kind 'answer' cannot"
    with pytest.raises(ModelError, match=refusal):
        backbone.generate(OPEN, batch_samples=2, max_new_tokens=3)


def test_candidates_are_scored_as_choices_are(backbone):
    samples = [*CLOSED[:2], replace(CLOSED[2], id="s7"), *OPEN]
    scores = backbone.score_candidates(samples, CHOICES, batch_samples=4)
    assert (scores.shape, scores.dtype) == ((6, 3), np.float32)
    assert not scores[2].any(), "nothing is seen, so nothing stands out"
    same = [replace(one, choices=CHOICES, answer=CHOICES[0], kind="classify") for one in samples]
    logits = torch.from_numpy(scores) * backbone.module.scale().item()
    for row, said in zip(logits, backbone.score_choices(same, batch_samples=6), strict=True):
        given = torch.tensor(said.log_likelihoods)
        torch.testing.assert_close(row.log_softmax(dim=0), given, atol=1e-3, rtol=1e-3)


def test_candidates_are_read_beside_the_prompt_where_the_caption_says_so(folder, monkeypatch):
    made = tiny(model=folder, adapter=None, caption="{prompt} {answer}")
    asked = [sample(8), sample(9, prompt="<image>\nIs it large?"), sample(10)]
    read = []
    texts = type(made.module).texts
    monkeypatch.setattr(
        type(made.module), "texts", lambda view, ids: read.append(len(ids)) or texts(view, ids)
    )
    together = made.score_candidates(asked, CHOICES, batch_samples=2)
    assert read == [2, 1, 2, 1], "three candidates, two at once, for each of two prompts"
    alone = [made.score_candidates([one], CHOICES, batch_samples=8)[0] for one in asked]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert abs(together[0] - together[1]).max() > 1e-4


def test_features_have_length_one_and_read_long_prompts_whole(backbone):
    long = replace(OPEN[0], id="long", prompt="<image>\n" + "small effusion " * 40)
    features = backbone.features([OPEN[0], long, CLOSED[2]], batch_samples=2)
    assert abs(torch.tensor(features.text).norm(dim=1) - 1).max() < 1e-4
    assert not features.image[2].any()
    assert abs(features.text[0] - features.text[1]).max() > 1e-4


def test_the_adapter_and_the_whole_model_load_again(backbone, tmp_path):
    backbone.save_adapter(tmp_path / "adapter")
    assert Probe.of(backbone, SAMPLES).adapter_difference(tmp_path / "adapter") <= 1e-4
    backbone.save_pretrained(tmp_path / "whole")
    whole = tiny(model=str(tmp_path / "whole"), adapter=None)
    whole.module.eval()
    batch, _ = backbone.collate(SAMPLES)
    with torch.no_grad():
        expected, given = backbone.module(batch), whole.module(batch)
    torch.testing.assert_close(given, expected, atol=1e-3, rtol=1e-3)


def test_parts_and_scratch(folder):
    parts = {"vision": {"mode": "frozen"}}
    made = tiny(model=folder, parts=parts)
    names = [name for name, _ in made.module.named_parameters()]
    assert names
    assert not any("vision_model" in name for name in names)
    fresh = tiny(model=folder, fresh=True)
    assert fresh.trainable_parameters == fresh.total_parameters


def test_the_caption_is_what_is_read(folder):
    written = tiny(model=folder, adapter=None, caption="{prompt} an X-ray of {answer}")
    plain = tiny(model=folder, adapter=None)
    ids = [one.collator.prompt(OPEN[0]).ids for one in (written, plain)]
    text = written.processor.tokenizer.decode([i for i in ids[0] if i > 2])
    assert "finding does the image show? an X-ray of a large heart" in text
    assert ids[0] != ids[1]
    with pytest.raises(DataError, match=r"'s9' of 'toy': an answer or choice is \d+ tokens long"):
        plain.length_tokens(sample(9, answer="effusion " * 40))
    with pytest.raises(ValueError, match=r"must hold \{answer\}"):
        BackboneSection(caption="an X-ray")
    with pytest.raises(ModelError, match=r"backbone\.caption: .* writes answers by itself"):
        tiny(caption="{answer}")
