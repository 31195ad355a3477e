"""Vision tower, projector and language model: told apart, frozen, adapted, trained whole."""

import pytest
import torch
from backbone_cases import sample, tiny, waken
from safetensors.torch import load_file
from transformers import PreTrainedConfig, SmolVLMForConditionalGeneration
from transformers.modeling_layers import GradientCheckpointingLayer

from transferlab.backbone.model.parts import PartMap
from transferlab.backbone.model.quantization import check_quantization
from transferlab.backbone.reload import Probe
from transferlab.config.backbone import EMBEDDED, AdapterSection, PartsSection, QuantizationSection
from transferlab.core import lazy
from transferlab.errors import EnvironmentProblem, ModelError

SAMPLES = [sample(0), sample(1, answer="none")]
FROZEN, FULL = {"mode": "frozen"}, {"mode": "full"}


def parts(**given):
    return PartsSection.model_validate(given)


@pytest.fixture(scope="module")
def trained(smolvlm_folder):
    """Tells the parts of a backbone that have trainable parameters."""
    part_of = PartMap.of(tiny(model=smolvlm_folder, adapter=None).model, name="")
    return lambda backbone: {part_of(name) for name, _ in backbone.module.named_parameters()}


@pytest.mark.parametrize("part", ["vision", "projector", "language"])
@pytest.mark.parametrize("adapter", [None, AdapterSection(rank=2)], ids=["full", "lora"])
def test_one_part_alone_is_trained(smolvlm_folder, trained, part, adapter):
    others = {name: FROZEN for name in ("vision", "projector", "language") if name != part}
    backbone = tiny(model=smolvlm_folder, adapter=adapter, parts=parts(**others))
    assert trained(backbone) == {part}
    batch, _ = backbone.collate(SAMPLES)
    backbone.module(batch).sum().backward()
    assert all(p.grad is not None for p in backbone.module.parameters())


def test_a_part_trained_whole_beside_the_adapter_is_saved_with_it(
    smolvlm_folder, trained, tmp_path
):
    backbone = tiny(
        model=smolvlm_folder,
        adapter=AdapterSection(rank=2),
        parts=parts(vision=FROZEN, projector=FULL),
    )
    names = [name for name, _ in backbone.module.named_parameters()]
    assert trained(backbone) == {"projector", "language"}
    assert [n for n in names if "connector" in n and "lora" in n] == []
    waken(backbone)
    backbone.save_adapter(tmp_path)
    assert Probe.of(backbone, SAMPLES).adapter_difference(tmp_path) <= 1e-4
    kept = load_file(tmp_path / "adapter_model.safetensors")
    assert [name for name in kept if "connector" in name and "lora" not in name]


def test_rates_follow_the_parts(smolvlm_folder):
    given = parts(vision={"learning_rate_factor": 0.1}, projector={"learning_rate_factor": 2.0})
    backbone = tiny(model=smolvlm_folder, adapter=AdapterSection(rank=2), parts=given)
    rates = backbone.learning_rate_factors
    assert rates.keys() == dict(backbone.module.named_parameters()).keys()
    assert {f for n, f in rates.items() if ".vision_model." in n} == {0.1}
    assert {f for n, f in rates.items() if ".connector." in n} == {2.0}
    assert {f for n, f in rates.items() if ".text_model." in n} == {1.0}
    assert tiny(model=smolvlm_folder, parts=given, fresh=True).learning_rate_factors == {}


def test_targets_outside_the_parts_that_carry_match_nothing(smolvlm_folder):
    adapter = AdapterSection(targets=["gate_proj"])
    with pytest.raises(ModelError, match=r"in the parts that carry it \(vision\) is called 'gate"):
        tiny(model=smolvlm_folder, adapter=adapter, parts=parts(language=FROZEN, projector=FROZEN))


@pytest.mark.parametrize("embedded", [True, False])
def test_activations_computed_again_give_the_same_gradients(smolvlm_folder, embedded):
    model = EMBEDDED if embedded else smolvlm_folder
    found = []
    for again in (False, True):
        backbone = tiny(model=model, adapter=AdapterSection(rank=2), gradient_checkpointing=again)
        layers = [m for m in backbone.model.modules() if isinstance(m, GradientCheckpointingLayer)]
        assert {layer.gradient_checkpointing for layer in layers} == {again}
        backbone.module(backbone.collate(SAMPLES)[0]).sum().backward()
        found.append([p.grad for p in backbone.module.parameters()])
    for kept, computed in zip(*found, strict=True):
        torch.testing.assert_close(kept, computed)


def test_a_model_that_cannot_compute_again_says_so(smolvlm_folder, monkeypatch):
    monkeypatch.setattr(SmolVLMForConditionalGeneration, "supports_gradient_checkpointing", False)
    with pytest.raises(ModelError, match=r"set backbone\.gradient_checkpointing: false"):
        tiny(model=smolvlm_folder, gradient_checkpointing=True)


def test_attention_is_the_one_asked_for(smolvlm_folder):
    backbone = tiny(model=smolvlm_folder, adapter=None, attention="eager")
    assert backbone.model.config.text_config._attn_implementation == "eager"
    assert tiny(model=smolvlm_folder, adapter=None).model.config._attn_implementation == "sdpa"


def test_attention_whose_library_is_missing_is_one_sentence(smolvlm_folder):
    with pytest.raises((EnvironmentProblem, ModelError)) as caught:
        tiny(model=smolvlm_folder, attention="flash_attention_2")
    assert "\n" not in str(caught.value)
    assert "flash" in str(caught.value).lower()


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("library", ["bitsandbytes", "torchao"])
def test_few_bits_need_a_gpu(bits, library):
    with pytest.raises(EnvironmentProblem, match=rf"{bits} bits need a GPU.*on 'cpu'") as caught:
        tiny(quantization={"bits": bits, "library": library})
    assert "\n" not in str(caught.value)


def test_a_missing_library_is_named(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(lazy, "import_module", missing)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'transferlab\[quantization\]'"):
        check_quantization(QuantizationSection(bits=4), torch.device("cuda"))


def test_a_model_without_the_two_parts_says_so():
    class Whole(torch.nn.Module):
        config = PreTrainedConfig()

        def get_encoder(self, _):
            return self

        def get_decoder(self):
            return self

    with pytest.raises(ModelError, match="cannot be told apart"):
        PartMap.of(Whole(), name="whole")
