"""The sound of films, read by a backbone that listens."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from backbone_cases import losses_of, noise, picture, sample, tiny, waken
from conversation_cases import ANSWERS, conversation
from family_cases import NEEDS, save_family

from transferlab.backbone.processing.audio_encoder import longest_samples
from transferlab.config.backbone import AdapterSection
from transferlab.core.batch import Batch
from transferlab.errors import DataError, ModelError

SAMPLES = [
    sample(1, media=(picture(3, frames=2, sound=True),), answer="three"),
    sample(2, answer="a small pleural effusion"),
    sample(
        3,
        media=(picture(5, sound=True), picture(9, sound=True)),
        prompt="<image> and then <image>: what changed?",
        answer="nothing",
    ),
    sample(4, media=(), prompt="What is an effusion?", answer="none"),
]


@pytest.fixture(scope="module", params=["qwen2_5_omni_thinker", "gemma3n"])
def listening(request, tmp_path_factory):
    if request.param in NEEDS:
        pytest.importorskip(NEEDS[request.param])
    folder = save_family(request.param, tmp_path_factory.mktemp("listening"))
    backbone = tiny(model=str(folder), adapter=AdapterSection(rank=4), decode_audio=noise)
    waken(backbone)
    backbone.module.eval()
    return backbone


def test_earlier_answers_are_marked_after_films_with_sound(listening):
    films = (picture(3, frames=2, sound=True), picture(5, frames=3, sound=True))
    one = conversation(learned=True, media=films)
    batch, targets = listening.collate([one])
    said = "".join(listening.processor.tokenizer.decode(targets).split())
    assert said == "".join(f"{answer}</s>" for answer in ANSWERS).replace(" ", "")
    asked = replace(one, answer=ANSWERS[1], history=one.history[:3], prompt=one.history[3].text)
    until_then = listening.collator.prompt(asked).ids
    at = len(until_then) - 1
    assert batch.input_ids[0, : at + 1].tolist() == until_then
    own = listening.collator.answer(asked, ANSWERS[1])
    assert batch.labels[0, at : at + len(own)].tolist() == own


def test_the_model_gets_what_its_processor_gives(listening):
    asked = SAMPLES[0]
    (ref,) = asked.media
    text = listening.collator.chat.prompt_text(asked.prompt, [2], [True])
    pictures = listening.collator.media._decode(ref)
    expected = listening.processor(
        text=[text], images=[pictures], audio=[noise(ref)], return_tensors="pt"
    )
    given = listening.module.inputs(listening.collator.prompts([asked]))
    assert torch.equal(given["input_ids"], expected["input_ids"])
    # What either pads with is left to the mask.
    hearing = listening.module.inputs.family.takes_audio
    sounding = [one[hearing.mask].bool()[0] for one in (given, expected)]
    bands = 1 if hearing.time_first else 0
    ours, theirs = (
        one["input_features"][0].movedim(bands, 0)[:, at]
        for one, at in zip((given, expected), sounding, strict=True)
    )
    torch.testing.assert_close(ours, theirs)
    assert ours.shape[1] > 30


def test_sound_counts_and_neighbours_do_not(listening):
    batch, _ = listening.collate(SAMPLES)
    parts = [listening.collate([one])[0] for one in SAMPLES]
    quiet = replace(
        batch,
        extra_inputs={
            **batch.extra_inputs,
            "input_features": -batch.extra_inputs["input_features"],
        },
    )
    with torch.no_grad():
        together = listening.module(batch)
        alone = torch.cat([listening.module(part) for part in parts])
        joined = listening.module(Batch.cat(parts))
        sliced = torch.cat([listening.module(batch[at]) for at in range(len(batch))])
        other = listening.module(quiet)
    for same in (alone, joined, sliced):
        torch.testing.assert_close(same, together, atol=1e-4, rtol=1e-4)
    row = (batch.labels != -100).nonzero()[:, 0]
    changed = (together - other).abs().amax(dim=1)
    assert all(changed[row == at].max() > 1e-5 for at in (0, 2))
    assert changed[(row == 1) | (row == 3)].max() == 0


def test_it_learns_answers_and_features_leave_sound_out_of_the_words(listening):
    losses = losses_of(listening, SAMPLES, steps=4)
    assert losses[-1] < losses[0]
    assert len(listening.generate(SAMPLES, batch_samples=4, max_new_tokens=2)) == 4
    other = [replace(SAMPLES[0], id="o", media=(replace(SAMPLES[0].media[0], sound=False),))]
    with_sound = listening.features(SAMPLES[:1], batch_samples=1)
    without = listening.features(other, batch_samples=1)
    # The marks around a sound are words; the sound itself is not.
    assert abs(with_sound.joint - without.joint).max() > 1e-5
    assert abs(with_sound.text - without.text).max() < abs(without.text).max()


def test_too_long_a_sound_is_named_and_nothing_is_cut(listening):
    long = sample(7, media=(picture(19, sound=True),))
    listening.collator.sound._decode_audio = lambda ref: noise(ref).repeat(2)
    try:
        with pytest.raises(DataError, match=r"'s7' of 'toy' sounds for 4 seconds; .* at most 2"):
            listening.length_tokens(long)
    finally:
        listening.collator.sound._decode_audio = noise


def test_the_longest_sound_has_tokens_for_all_of_it(listening):
    encoder = listening.collator.sound
    most = longest_samples(listening.processor, encoder._audio_settings)
    encoder._decode_audio = lambda ref: np.resize(noise(ref), most)
    try:
        batch, targets = listening.collate([sample(8, media=(picture(18, sound=True),))])
        with torch.no_grad():
            assert listening.module(batch).shape[0] == len(targets)
    finally:
        encoder._decode_audio = noise


def test_a_backbone_that_does_not_listen_says_so(plain):
    with pytest.raises(ModelError, match="does not listen, and the media of 'toy' have sound"):
        plain.length_tokens(SAMPLES[0])
