"""Every kind of adapter: where it goes, that it learns, and what is left when it is saved."""

import pytest
import torch
from backbone_cases import sample, tiny, waken
from family_cases import save_family
from torch.nn.functional import cross_entropy

from transferlab.backbone.model.experts import GatedDown
from transferlab.backbone.reload import EXACT, Probe
from transferlab.config.backbone import AdapterSection
from transferlab.errors import ModelError

SAMPLES = [sample(0), sample(1, answer="none")]
OPTIONS = {
    "lora": {"rank": 4},
    "dora": {"rank": 4},
    "rslora": {"rank": 4},
    "pissa": {"rank": 4},
    "ia3": {},
    "vera": {"rank": 8},
    "oft": {},
    "osf": {"preserved_fraction": 0.75},
}


def logits(backbone):
    with torch.no_grad():
        return backbone.module.eval()(backbone.collate(SAMPLES)[0])


@pytest.fixture(scope="module")
def unadapted(smolvlm_folder):
    return tiny(model=smolvlm_folder, adapter=None)


@pytest.fixture(scope="module", params=list(OPTIONS))
def learned(request, smolvlm_folder):
    """One kind after two steps, with the logits before and the losses on the way."""
    adapter = AdapterSection(kind=request.param, **OPTIONS[request.param])
    backbone = tiny(model=smolvlm_folder, adapter=adapter)
    before = logits(backbone)
    optimizer = torch.optim.AdamW(backbone.module.parameters(), lr=0.02)
    batch, targets = backbone.collate(SAMPLES)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = cross_entropy(backbone.module(batch), targets)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    return backbone, before, losses


def test_it_starts_as_the_base_model_and_learns(learned, unadapted):
    backbone, before, losses = learned
    torch.testing.assert_close(before, logits(unadapted), atol=1e-4, rtol=1e-4)
    assert losses[2] < losses[0] - 1e-4
    assert 0 < backbone.trainable_parameters < unadapted.total_parameters


def test_saved_alone_or_melted_in_it_answers_the_same(learned, tmp_path):
    backbone, before, _ = learned
    assert (logits(backbone) - before).abs().max() > 1e-4
    backbone.save_adapter(tmp_path / "adapter")
    after = logits(backbone)
    assert Probe.of(backbone, SAMPLES).adapter_difference(tmp_path / "adapter") <= 1e-4
    assert torch.equal(logits(backbone), after), "saving changed the model"
    backbone.save_pretrained(tmp_path / "whole")
    whole = tiny(model=str(tmp_path / "whole"), adapter=None)
    torch.testing.assert_close(logits(whole), after, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("kind", [kind for kind in OPTIONS if kind != "oft"])
def test_in_half_precision_it_answers_the_same_but_for_rounding(
    smolvlm_folder, tmp_path, kind, dtype
):
    adapter = AdapterSection(kind=kind, **OPTIONS[kind])
    backbone = tiny(model=smolvlm_folder, adapter=adapter, dtype=dtype)
    waken(backbone)
    backbone.save_adapter(tmp_path / "adapter")
    tolerance = Probe.of(backbone, SAMPLES).tolerance
    assert Probe.of(backbone, SAMPLES).adapter_difference(tmp_path / "adapter") <= tolerance
    assert (tolerance > EXACT) == (kind == "pissa")


SLIGHT = ("ia3", "vera")
"""Woken, they move the logits by less than half precision's rounding."""


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("kind", OPTIONS)
def test_melted_in_place_it_answers_the_same_but_for_rounding(
    smolvlm_folder, tmp_path, kind, dtype
):
    if kind == "oft" and dtype != "float32":
        pytest.skip("oft is trained in float32 alone")
    adapter = AdapterSection(kind=kind, **OPTIONS[kind])
    backbone = tiny(model=smolvlm_folder, adapter=adapter, dtype=dtype)
    untrained = Probe.of(backbone, SAMPLES)
    waken(backbone)
    probe = Probe.of(backbone, SAMPLES)
    backbone.save_merged(tmp_path)
    assert not list(tmp_path.glob("adapter*"))
    assert probe.whole_difference(tmp_path) <= probe.merged_tolerance
    assert (probe.merged_tolerance > EXACT) == (dtype != "float32")
    if kind not in SLIGHT or dtype == "float32":
        assert untrained.whole_difference(tmp_path) > 2 * untrained.merged_tolerance


def test_the_tolerance_of_half_precision_still_tells_another_adapter(smolvlm_folder, tmp_path):
    adapter = AdapterSection(kind="pissa", **OPTIONS["pissa"])
    backbone = tiny(model=smolvlm_folder, adapter=adapter, dtype="bfloat16")
    backbone.save_adapter(tmp_path / "untrained")
    waken(backbone)
    tolerance = Probe.of(backbone, SAMPLES).tolerance
    assert Probe.of(backbone, SAMPLES).adapter_difference(tmp_path / "untrained") > 2 * tolerance


def test_options_reach_peft(smolvlm_folder):
    def config(**options):
        section = AdapterSection(targets=["q_proj"], **options)
        return tiny(model=smolvlm_folder, adapter=section).model.peft_config["default"]

    assert config(kind="rslora", rank=64).lora_alpha == 8
    assert config(kind="vera").r == 256
    assert config(kind="oft", block_size=8, dropout=0.5).oft_block_size == 8
    assert config(kind="osf").effective_rank == 0.5


def test_a_block_that_does_not_divide_a_layer_is_an_error(smolvlm_folder):
    with pytest.raises(ModelError, match=r"block_size: 7 does not divide the 32 inputs of layer"):
        tiny(model=smolvlm_folder, adapter=AdapterSection(kind="oft", block_size=7))


def test_oft_says_where_peft_cannot_put_it():
    with pytest.raises(ModelError, match=r"type 'focalnet'.*parts\.vision\.mode: frozen"):
        tiny(adapter=AdapterSection(kind="oft"))


@pytest.fixture(scope="module")
def tied_folder(tmp_path_factory):
    """A tiny PaliGemma: its output layer is its token embedding."""
    return str(save_family("paligemma", tmp_path_factory.mktemp("tied")))


def is_tied(backbone) -> bool:
    embedding, output = (
        backbone.model.get_input_embeddings(),
        backbone.model.get_output_embeddings(),
    )
    return embedding.weight is output.weight


@pytest.mark.parametrize(
    "adapter",
    [None, AdapterSection(rank=2), AdapterSection(rank=2, train_embeddings=True)],
    ids=["full", "lora", "lora-embeddings"],
)
def test_tied_weights_stay_tied_when_saved_merged_and_loaded(tied_folder, tmp_path, adapter):
    backbone = tiny(model=tied_folder, adapter=adapter)
    assert adapter is not None or is_tied(backbone)
    waken(backbone)
    expected = logits(backbone)
    if adapter is not None:
        backbone.save_adapter(tmp_path / "adapter")
        assert Probe.of(backbone, SAMPLES).adapter_difference(tmp_path / "adapter") <= 1e-4
    backbone.save_pretrained(tmp_path / "whole")
    again = tiny(model=str(tmp_path / "whole"), adapter=None)
    assert is_tied(again)
    torch.testing.assert_close(logits(again), expected, atol=1e-3, rtol=1e-3)


def test_osf_splits_tall_square_and_wide_weights(smolvlm_folder):
    adapter = AdapterSection(kind="osf", targets=["q_proj", "up_proj", "down_proj"])
    backbone = tiny(model=smolvlm_folder, adapter=adapter)
    bases = [m.base_layer.weight for m in backbone.model.modules() if hasattr(m, "osf_svd_params")]
    splits = backbone.split_weights()
    assert {(b.shape > b.T.shape) - (b.shape < b.T.shape) for b in bases} == {-1, 0, 1}
    assert len(splits) == len(bases)
    for base, split in zip(bases, splits, strict=True):
        left, scale, right = (part.detach() for part in split[:3])
        preserved = base.detach() - left * scale @ right
        near = {"rtol": 1e-4, "atol": 1e-5}
        torch.testing.assert_close(split.free_left(left), left, **near)
        torch.testing.assert_close(split.free_right(right), right, **near)
        none = torch.zeros_like(preserved)
        torch.testing.assert_close(split.free_left(preserved), none, **near)
        torch.testing.assert_close(split.free_right(preserved), none, **near)
    assert not tiny(model=smolvlm_folder, adapter=AdapterSection(rank=2)).split_weights()


def test_an_undecided_gate_makes_experts_the_lora_of_all_ranks(smolvlm_folder, tmp_path):
    plain, mixed = (
        tiny(model=smolvlm_folder, adapter=AdapterSection(rank=8, experts=experts))
        for experts in (None, 4)
    )
    for one in (plain, mixed):
        torch.manual_seed(1)
        with torch.no_grad():
            for name, parameter in one.module.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.3)
    torch.testing.assert_close(logits(mixed), logits(plain), rtol=1e-4, atol=1e-4)
    layers = mixed.expert_layers()
    assert len(layers) == len([n for n, _ in plain.module.named_parameters() if "lora_A" in n])
    assert sum(p.numel() for layer in layers for p in layer) == mixed.trainable_parameters
    assert not plain.expert_layers()
    torch.nn.init.normal_(layers[0].gate)
    assert not torch.allclose(logits(mixed), logits(plain), atol=1e-4)
    for save in (mixed.save_adapter, mixed.save_pretrained):
        with pytest.raises(ModelError, match=r"cannot be melted .* no file for them"):
            save(tmp_path / "out")


def test_a_gate_weighs_every_token_by_its_own():
    down = torch.nn.Linear(3, 4, bias=False)
    gated = GatedDown(down, experts=2)
    torch.nn.init.normal_(gated.gate.weight, std=2.0)
    x = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    found = gated(x)
    for row, at in ((0, 1), (1, 4)):
        token = x[row, at]
        shares = (gated.gate.weight @ token).softmax(0)
        expected = 2 * shares.repeat_interleave(2) * (down.weight @ token)
        torch.testing.assert_close(found[row, at], expected)
