"""The architectures of the fusion study: alike but for how pictures reach words."""

import family_fusion
import numpy as np
import pytest
import torch
from backbone_cases import picture, sample, tiny
from family_cases import save_family
from transformers import AutoModelForImageTextToText, AutoProcessor

from transferlab.errors import DataError
from transferlab.tiny.architecture import ASSETS, model_for, processor_for, save
from transferlab.tiny.fusion_cross_attention import CACHE
from transferlab.tiny.language_stage import Conversations, Example, supervised_logits


@pytest.fixture(scope="module")
def words():
    return AutoProcessor.from_pretrained(ASSETS).tokenizer


@pytest.fixture(scope="module")
def made(words):
    """Each architecture at its own size."""
    names = ("projector", "cross_attention", "resampler")
    return {name: model_for(words, seed=0, architecture=name) for name in names}


@pytest.fixture(scope="module")
def crossing():
    """Three layers, the second of which looks through open gates, and its image token."""
    torch.manual_seed(0)
    model, processor = family_fusion.cross_attention()
    return model.eval(), processor.tokenizer.convert_tokens_to_ids("<image>")


def shared_sizes(model) -> dict[str, int]:
    """Parameters of the tower, and of what of the language model never looks at a picture."""
    layers = model.model.language_model.layers
    reading = [layer for layer in layers if hasattr(layer, "self_attn")]
    return {
        "tower": model.model.vision_tower.num_parameters(),
        "embeddings": model.model.language_model.embed_tokens.weight.numel(),
        **{
            f"layer {at}": sum(p.numel() for p in one.parameters())
            for at, one in enumerate(reading)
        },
    }


def test_the_architectures_differ_in_nothing_but_the_fusion(made):
    sizes = [shared_sizes(model) for model in made.values()]
    assert sizes[0] == sizes[1] == sizes[2]
    assert len(sizes[0]) == 2 + 4
    totals = {name: sum(p.numel() for p in model.parameters()) for name, model in made.items()}
    assert totals == {"projector": 3_601_650, "cross_attention": 4_463_286, "resampler": 4_469_106}


@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize(
    ("architecture", "tokens"), [("projector", 49), ("resampler", 16), ("cross_attention", 1)]
)
def test_pretraining_writes_a_picture_as_the_processor_does(words, architecture, tokens, images):
    processor = processor_for(words, architecture=architecture)
    shown = (np.zeros((112, 112, 3), np.uint8),) * images
    batch = Conversations(processor).collate([Example(images=shown, turns=(("What?", "red"),))])
    text = "<s><|user|>" + "<image>" * images + "What?<|assistant|>red</s>"
    whole = processor(text=[text], images=[list(shown)], add_special_tokens=False)
    assert batch["input_ids"].tolist() == whole["input_ids"]
    assert (batch["input_ids"] == words.convert_tokens_to_ids("<image>")).sum() == tokens * images


@pytest.mark.parametrize("name", ["cross_attention", "resampler"])
def test_saved_is_what_loads_with_its_embeddings_tied(name, made, words, tmp_path):
    save(made[name], processor_for(words, architecture=name), tmp_path)
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert type(loaded) is type(made[name])
    assert loaded.lm_head.weight is loaded.model.language_model.embed_tokens.weight
    for key, value in made[name].state_dict().items():
        assert torch.equal(value, loaded.state_dict()[key]), key


def test_closed_gates_hide_the_picture_and_learn_to_open(made, words):
    model, processor = made["cross_attention"], processor_for(words, architecture="cross_attention")
    random = np.random.default_rng(0)
    shown = [random.integers(0, 256, (112, 112, 3), dtype=np.uint8) for _ in range(2)]
    turns = (("What?", "red"),)
    one, other = (
        Conversations(processor).collate([Example(images=(image,), turns=turns)]) for image in shown
    )
    logits = supervised_logits(model, one)
    torch.testing.assert_close(logits, supervised_logits(model, other))
    (gates,) = torch.autograd.grad(
        logits.logsumexp(-1).sum(), [model.model.language_model.layers[1].cross_attn_attn_gate]
    )
    assert gates.abs() > 0


def looked(crossing, ids, pixels):
    with torch.no_grad():
        return crossing[0](input_ids=torch.tensor([ids]), pixel_values=pixels).logits[0]


def test_a_word_sees_the_pictures_before_it_in_their_order(crossing):
    image = crossing[1]
    ids = [105, image, 106, image, 107]
    pixels = torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    plain = looked(crossing, ids, pixels)
    later = looked(crossing, ids, torch.stack([pixels[0], -pixels[1]]))
    turned = looked(crossing, ids, pixels.flip(0))
    torch.testing.assert_close(later[:3], plain[:3])
    assert (later[3:] - plain[3:]).abs().amax(dim=1).min() > 1e-5
    torch.testing.assert_close(turned[0], plain[0])
    assert (turned[1:] - plain[1:]).abs().amax(dim=1).min() > 1e-5


def test_of_two_pictures_before_a_word_it_matters_which_is_first(crossing):
    model, image = crossing
    ids = torch.tensor([[105, image, image, 107]])
    pixels = torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        # Just after the layer that looks, where the word has read nothing of other words' looks.
        one, other = (
            model.model(input_ids=ids, pixel_values=shown, output_hidden_states=True).hidden_states[
                2
            ]
            for shown in (pixels, pixels.flip(0))
        )
    assert (one[0, 3] - other[0, 3]).abs().max() > 1e-6


def test_an_answer_that_goes_on_after_a_cached_prompt_sees_whole_pictures(crossing):
    model, image = crossing
    asked, said = torch.tensor([[105, image, 106]]), torch.tensor([[107, 108, 109]])
    pixels = torch.randn(1, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = model(input_ids=torch.cat([asked, said], dim=1), pixel_values=pixels).logits
        read = model(input_ids=asked, pixel_values=pixels, use_cache=True)
        rest = model(input_ids=said, **{CACHE: getattr(read, CACHE)}).logits
    torch.testing.assert_close(rest, whole[:, -3:], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("ids", "pictures", "said"),
    [
        ([[105, 106]], 1, "every row must have 1 image tokens"),
        ([["image", 106], [105, 106]], 3, "3 pictures for 2 rows"),
        ([["image"] * 4], 4, "at most 3"),
    ],
)
def test_pictures_and_their_tokens_must_match(crossing, ids, pictures, said):
    model, image = crossing
    ids = torch.tensor([[image if one == "image" else one for one in row] for row in ids])
    with pytest.raises(ValueError, match=said):
        model(input_ids=ids, pixel_values=torch.zeros(pictures, 3, 56, 56))


def test_embeddings_do_not_say_where_pictures_stand(crossing):
    with pytest.raises(ValueError, match="input_ids are needed"):
        crossing[0](inputs_embeds=torch.zeros(1, 2, 32))


def test_too_many_pictures_for_its_numbers_are_said_in_a_sentence(tmp_path):
    backbone = tiny(model=str(save_family("transferlab_cross_attention", tmp_path)))
    with pytest.raises(DataError, match=r"'s0' of 'toy' shows 4 pictures.*sees at most 3"):
        backbone.collate([sample(media=(picture(0, frames=4),))])
