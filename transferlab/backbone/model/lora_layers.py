"""The layers of a model that carry LoRA's two matrices, found by how peft names them."""

from __future__ import annotations

from typing import Any

from torch import nn

from transferlab.core.protocols import LoRALayer


def lora_layers(model: nn.Module) -> list[LoRALayer]:
    """Linear layers of W x + scale * B A x, in the model's order.

    A layer that puts something else between or around the matrices (DoRA's magnitudes, a gate over
    experts) is none.
    """
    found: list[LoRALayer] = []
    for name, layer in model.named_modules():
        downs, ups = getattr(layer, "lora_A", None), getattr(layer, "lora_B", None)
        if not isinstance(downs, nn.ModuleDict) or not isinstance(ups, nn.ModuleDict):
            continue
        if "default" not in downs or type(downs["default"]) is not nn.Linear:
            continue
        peft: Any = layer
        if "default" in peft.lora_magnitude_vector:
            continue
        found.append(
            LoRALayer(
                name=name,
                layer=layer,
                weight=peft.get_base_layer().weight,
                down=downs["default"].get_parameter("weight"),
                up=ups["default"].get_parameter("weight"),
                scale=float(peft.scaling["default"]),
            )
        )
    return found
