"""The layers with LoRA on them, as strategies see them."""

import pytest
import torch
from backbone_cases import sample, tiny

from transferlab.config.backbone import AdapterSection


@pytest.mark.parametrize("kind", ["lora", "rslora"])
def test_a_layer_is_its_weight_and_what_the_two_matrices_add(smolvlm_folder, kind):
    backbone = tiny(model=smolvlm_folder, adapter=AdapterSection(kind=kind, rank=4))
    with torch.no_grad():
        for name, parameter in backbone.module.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3)
    layers, calls = backbone.lora_layers(), []
    assert sum(one.down.numel() + one.up.numel() for one in layers) == backbone.trainable_parameters
    assert not any(one.weight.requires_grad for one in layers)
    for one in layers:
        one.layer.register_forward_hook(
            lambda _, inputs, output, one=one: calls.append((one, inputs[0], output))
        )
    with torch.no_grad():
        backbone.module.eval()(backbone.collate([sample(0)])[0])
    assert {id(one.layer) for one, _, _ in calls} == {id(one.layer) for one in layers}
    for one, given, output in calls:
        weight = one.weight + one.scale * one.up @ one.down
        bias = getattr(one.layer.get_base_layer(), "bias", None)
        expected = torch.nn.functional.linear(given, weight, bias)
        torch.testing.assert_close(output, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("adapter", [{"kind": "dora"}, {"experts": 4}, {"kind": "osf"}], ids=str)
def test_layers_that_do_something_else_are_none(smolvlm_folder, adapter):
    assert not tiny(model=smolvlm_folder, adapter=AdapterSection(**adapter)).lora_layers()
    assert not tiny(model=smolvlm_folder, adapter=None).lora_layers()
