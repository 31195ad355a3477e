"""One battery over every family of backbones: train, answer, save, load; and those refused."""

import re
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
import transformers as hf
from backbone_cases import picture, sample, tiny, waken
from family_cases import FAMILIES, NEEDS, save_family
from family_parts import END
from torch.nn.functional import cross_entropy
from transformers import GenerationConfig
from transformers.utils.import_utils import TIMM_IMPORT_ERROR

from transferlab.backbone.base import load_errors
from transferlab.backbone.inference import scoring
from transferlab.backbone.inference.shared_vision import shared_vision
from transferlab.backbone.model.parts import PartMap, vision_towers
from transferlab.backbone.model.view import innermost
from transferlab.backbone.processing import families
from transferlab.backbone.processing.collator import Collator
from transferlab.backbone.reload import Probe
from transferlab.config.backbone import PARTS, AdapterSection, BackboneSection
from transferlab.errors import DataError, MissingExtra, ModelError

SAMPLES = [
    sample(0, answer="effusion"),
    sample(
        1,
        answer="a small pleural effusion",
        media=(picture(1), picture(2)),
        prompt="<image>\nbefore\n<image>\nafter: what changed?",
    ),
    sample(2, answer="three", media=(picture(3, frames=3),)),
    sample(3, answer="none", media=(), prompt="What is an effusion?"),
]
ADAPTER = AdapterSection(rank=4)


@pytest.fixture(scope="module", params=list(FAMILIES))
def family(request):
    return request.param


@pytest.fixture(scope="module")
def folder(family, tmp_path_factory):
    if family in NEEDS:
        pytest.importorskip(NEEDS[family])
    return str(save_family(family, tmp_path_factory.mktemp("family")))


@pytest.fixture(scope="module")
def awake(folder):
    """The family with an adapter that changes it; tests only read it."""
    backbone = tiny(model=folder, adapter=ADAPTER)
    waken(backbone)
    backbone.module.eval()
    return backbone


@pytest.fixture(scope="module")
def whole(awake, tmp_path_factory):
    """What was saved of it with the adapter melted in, read again without one."""
    folder = tmp_path_factory.mktemp("whole")
    awake.save_pretrained(folder)
    backbone = tiny(model=str(folder), adapter=None)
    backbone.module.eval()
    return backbone


@contextmanager
def borrowed(backbone):
    """For training; other tests find the backbone as it was."""
    state = backbone.trainable_state()
    backbone.module.train()
    try:
        yield backbone
    finally:
        backbone.module.eval()
        backbone.load_trainable_state(state)


def losses(backbone, steps: int = 5) -> list[float]:
    optimizer = torch.optim.AdamW(backbone.module.parameters(), lr=1e-2)
    batch, targets = backbone.collate(SAMPLES)
    seen = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = cross_entropy(backbone.module(batch), targets)
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    return seen


# A frozen output layer of random small values bounds what an adapter can gain.
@pytest.mark.parametrize(("trained", "by"), [("awake", 0.03), ("whole", 1.0)], ids=["lora", "full"])
def test_the_loss_falls(awake, whole, trained, by):
    with borrowed({"awake": awake, "whole": whole}[trained]) as backbone:
        full = backbone.trainable_parameters == backbone.total_parameters
        assert full == (trained == "whole")
        seen = losses(backbone)
    assert seen[-1] < seen[0] - by


def test_exactly_the_answers_are_supervised(awake):
    batch, _ = awake.collate(SAMPLES)
    decode = awake.processor.tokenizer.decode
    for row, asked in enumerate(SAMPLES):
        at = (batch.labels[row] != -100).nonzero().flatten()
        assert decode(batch.labels[row, at]) == f"{asked.answer}{END}"
        assert at.tolist() == list(range(int(at[0]), batch.labels.shape[1]))
        assert torch.equal(batch.input_ids[row, at[1:]], batch.labels[row, at[:-1]])
        prompt = awake.collator.prompt(asked).ids
        assert batch.input_ids[row, : at[0] + 1].tolist()[-len(prompt) :] == prompt


def test_the_model_gets_what_its_processor_gives(awake):
    layout, media = awake.collator.chat.layout, awake.collator.media
    for asked in SAMPLES[: 3 if layout.supports_multiple_images else 1]:
        text = awake.collator.chat.prompt_text(asked.prompt, [ref.frames for ref in asked.media])
        expected = media.whole_prompt(text, asked.media)
        given = awake.module.inputs(awake.collator.prompts([asked]))
        assert {"input_ids", "pixel_values"} <= expected.keys() & given.keys()
        for name in expected.keys() & given.keys():
            want = expected[name].to(given[name].dtype)
            torch.testing.assert_close(given[name].reshape(want.shape), want, msg=name)
        unread = expected.keys() - given.keys()
        assert not unread & awake.module.inputs.parameters - {"labels"}, unread


def test_neighbours_in_a_batch_change_nothing_and_pictures_do(awake):
    with torch.no_grad():
        together = awake.module(awake.collate(SAMPLES)[0])
        alone = torch.cat([awake.module(awake.collate([s])[0]) for s in SAMPLES])
        batch, _ = awake.collate(SAMPLES[:3])
        pixels = batch.media["pixel_values"]
        other = replace(batch, media={**batch.media, "pixel_values": -pixels})
        swapped = awake.module(other)
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    with_pictures = together[: len(swapped)]
    for row in range(3):
        mine = (batch.labels != -100).nonzero()[:, 0] == row
        assert (with_pictures[mine] - swapped[mine]).abs().max() > 1e-5, f"sample {row} is blind"


def test_slices_and_joins_of_batches_read_the_same(awake):
    batch, _ = awake.collate(SAMPLES)
    one_by_one = [awake.collate([s])[0] for s in SAMPLES]
    with torch.no_grad():
        expected = awake.module(batch)
        sliced = torch.cat([awake.module(batch[row]) for row in range(len(batch))])
        joined = awake.module(torch.cat(one_by_one))
    torch.testing.assert_close(sliced, expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(joined, expected, atol=1e-4, rtol=1e-4)


def test_hidden_states_are_those_that_the_answers_come_from(awake):
    batch, _ = awake.collate(SAMPLES)
    layer, seen = awake.module.output_layer, []
    handle = layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        logits = awake.module(batch)
        handle.remove()
        again = layer(awake.module.at_answers(seen, batch))
    assert len(seen) == awake.module.forward_count(batch)
    torch.testing.assert_close(again, logits, atol=1e-4, rtol=1e-4)


READ_WHOLE = {"blip-2", "blip-2 on t5", "instructblip", "idefics", "kosmos-2"}
"""Families whose forward passes need the prompt or its pictures with every word."""
CHOICES = ("effusion", "no effusion at all", "none")
CLOSED = [replace(one, kind="classify", choices=CHOICES, answer="none") for one in SAMPLES]


def test_choices_score_as_they_do_when_read_whole(awake):
    given = awake.score_choices(CLOSED, batch_samples=2)
    for prediction, one in zip(given, CLOSED, strict=True):
        for choice, value in zip(CHOICES, prediction.log_likelihoods, strict=True):
            batch, targets = awake.collate([replace(one, answer=choice)])
            with torch.no_grad():
                loss = cross_entropy(awake.module(batch).float(), targets, reduction="sum")
            assert value == pytest.approx(-loss.item(), abs=1e-3, rel=1e-3)


def test_choices_go_on_from_the_prompt_and_the_tower_reads_a_picture_once(family, awake):
    for one in CLOSED:  # what can be continued is measured here
        awake.score_choices([one], batch_samples=3)
    assert set(awake.choice_reader.continues.values()) == {family not in READ_WHOLE}
    model = innermost(awake.model)
    passes, handles = [], []
    for tower in vision_towers(model):
        handles.append(tower.register_forward_pre_hook(lambda *_: passes.append("tower")))
    handles.append(model.register_forward_pre_hook(lambda *_: passes.append("model")))
    for one in CLOSED:
        awake.score_choices([one], batch_samples=3)
    for handle in handles:
        handle.remove()
    # One for the prompt and one for all of its choices; where each is read whole, one for all.
    per_sample = 1 if family in READ_WHOLE else 2
    assert passes.count("model") == per_sample * len(CLOSED)
    # GIT's tower is called for each picture by itself: one, two and three of them.
    most = 6 if family == "git" else len(CLOSED)
    assert sum(1 for one in CLOSED if one.media) <= passes.count("tower") <= most


UNSHARED = {"qwen2_5_vl", "qwen3_vl", "qwen3_5", "qwen2_5_omni_thinker", "gemma4", "mllama"}
"""Families whose towers take patches of all pictures in a row, or tiles by picture and sample; they
go on from the prompt's cache, so that sharing would save nothing."""


def test_a_tower_reads_one_of_equal_copies(family, awake):
    """By the pictures that enter it, and by the features that leave it."""
    entered = []

    def note(tower, args, kwargs):
        entered.append(rows_of(args, kwargs))

    (tower, *_) = vision_towers(innermost(awake.model))
    batch = awake.collator.choices([CLOSED[0]] * 3, CHOICES)
    with torch.no_grad():
        with tower.register_forward_pre_hook(note, with_kwargs=True):
            awake.module(awake.collator.choices([CLOSED[0]], CHOICES[:1]))
        alone = sum(entered)
        expected = awake.module(batch)
        entered.clear()
        with (
            shared_vision([tower], copies=3),
            tower.register_forward_pre_hook(note, with_kwargs=True),
        ):
            found = awake.module(batch)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert sum(entered) == alone * (3 if family in UNSHARED else 1)


def rows_of(args, kwargs):
    return len(args[0] if args else kwargs["pixel_values"])


def test_generation_is_greedy(awake):
    prompts = awake.collator.prompts(SAMPLES)
    config = GenerationConfig(
        max_new_tokens=3, min_new_tokens=3, do_sample=False, pad_token_id=prompts.pad_id
    )
    with torch.no_grad():
        said = scoring.generated(awake.model, awake.module, prompts, config=config)
        batch = answered(prompts, torch.tensor(said))
        logits = awake.module(batch).float()
    logits[:, awake.collator.chat.end_ids[0]] = -torch.inf
    chosen = logits.gather(1, batch.targets().unsqueeze(1)).flatten()
    torch.testing.assert_close(chosen, logits.max(dim=1).values, atol=1e-3, rtol=1e-3)
    answers = awake.generate(SAMPLES, batch_samples=3, max_new_tokens=4)
    assert [a.sample.id for a in answers] == [s.id for s in SAMPLES]


def answered(batch, said):
    """The batch of prompts with (B, T) tokens as its answers."""
    first = torch.full_like(batch.labels, -100)
    first[:, -1] = said[:, 0]
    return replace(
        batch,
        input_ids=torch.cat([batch.input_ids, said[:, :-1]], dim=1),
        attention_mask=torch.cat([batch.attention_mask, torch.ones_like(said[:, :-1])], dim=1),
        labels=torch.cat([first, said[:, 1:]], dim=1),
    )


def test_the_adapter_and_the_whole_model_load_again(awake, whole, tmp_path):
    awake.save_adapter(tmp_path / "adapter")
    assert Probe.of(awake, SAMPLES).adapter_difference(tmp_path / "adapter") <= 1e-4
    with torch.no_grad():
        expected = awake.module(awake.collate(SAMPLES)[0])
        given = whole.module(whole.collate(SAMPLES)[0])
    torch.testing.assert_close(given, expected, atol=1e-3, rtol=1e-3)


def test_features_tell_pictures_apart(awake):
    features = awake.features(SAMPLES, batch_samples=3)
    assert features.image.shape == features.joint.shape == (4, features.text.shape[1])
    assert features.text.shape[1] == awake.model.get_input_embeddings().embedding_dim
    assert not features.image[3].any()
    assert abs(features.image[0] - features.image[2]).max() > 1e-6


def test_the_three_parts_are_told_apart(family, whole):
    part_of = PartMap.of(whole.model, name=family)
    names = [name for name, _ in whole.module.named_parameters()]
    parts = {part: [n for n in names if part_of(n) == part] for part in PARTS}
    assert all(parts.values())
    assert all(re.search("vis|audio|image_encoder", name) for name in parts["vision"])
    assert any("layer" in name for name in parts["language"])
    if "qwen" in family:
        assert all(".merger" in n or "_merger_list" in n for n in parts["projector"])


def test_too_long_is_said_before_training_and_nothing_is_cut(awake):
    lengths = [awake.collate([s])[0].input_ids.shape[1] for s in SAMPLES]
    collator = Collator(
        awake.collator.chat,
        awake.collator.media,
        pad_id=0,
        max_length_tokens=max(lengths) - 1,
        name=awake.name,
    )
    longest = SAMPLES[lengths.index(max(lengths))].id
    with pytest.raises(DataError, match=rf"'{longest}' of 'toy' \({max(lengths)} tokens\)"):
        collator.collate(SAMPLES)


REFUSED = (*("BlipConfig", "InstructBlipVideoConfig", "Pix2StructConfig", "Siglip2Config"),)


@pytest.mark.parametrize("config", REFUSED)
def test_a_family_that_cannot_be_adapted_is_refused_in_a_sentence(config, tmp_path):
    getattr(hf, config)().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"cannot be adapted: .*; choose another") as caught:
        tiny(model=str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_missing_timm_is_one_sentence(monkeypatch):
    monkeypatch.setattr(load_errors, "find_spec", lambda name: None)
    told = TIMM_IMPORT_ERROR.format("Gemma3nVisionConfig")
    with (
        pytest.raises(MissingExtra) as caught,
        load_errors.translate_load_errors(BackboneSection(model="g/3n")),
    ):
        raise ImportError(told)
    expected = "backbone 'g/3n' has a vision tower of the library 'timm': pip install"
    assert str(caught.value) == f"{expected} 'transferlab[timm]'"


def test_no_family_is_both_adapted_and_refused():
    assert not set(families.FAMILIES) & set(families.REFUSED)
    assert len(FAMILIES) >= 13
