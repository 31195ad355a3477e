"""Which layers carry the adapter, and whether they can."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from transformers import PreTrainedModel

from transferlab.backbone.model.parts import PartMap
from transferlab.config.backbone import PARTS, AdapterSection, BackboneSection
from transferlab.core.registry import did_you_mean
from transferlab.errors import ModelError

ALL_LINEAR = "all-linear"
LARGEST_BLOCK = 32
# torch's own attention reads the weight of such a layer without calling it: an adapter on it would
# be trained by nobody, and yet be melted in.
BYPASSED = NonDynamicallyQuantizableLinear
FOUR_DIMENSIONAL = frozenset({"focalnet"})
"""Vision towers that give linear layers (batch, height, width, channels). Peft's OFT takes these
for the input of a convolution."""


def adapter_of(section: BackboneSection) -> AdapterSection:
    """The section's adapter, where one is about to be put on."""
    assert section.adapter is not None, "only a backbone with an adapter comes here"
    return section.adapter


def carrying_layers(
    model: PreTrainedModel, section: BackboneSection, *, part_of: PartMap | None
) -> dict[str, nn.Linear]:
    """By name: the linear layers that carry the adapter.

    Raises:
        ModelError: a target matches none.
    """
    carrying = [part for part in PARTS if section.mode(part) == "adapter"]
    linear = {
        at: module
        for at, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and not isinstance(module, BYPASSED)
        and (part_of is None or part_of(at) in carrying)
    }
    targets = adapter_of(section).targets
    if targets == ALL_LINEAR:
        last = model.get_output_embeddings()
        return {at: module for at, module in linear.items() if module is not last}
    wanted = [targets] if isinstance(targets, str) else targets
    fitting = {t: [n for n in linear if n == t or n.endswith(f".{t}")] for t in wanted}
    missing = [target for target, names in fitting.items() if not names]
    if missing:
        endings = sorted({n.rpartition(".")[2] for n in linear})
        where = "" if part_of is None else f" in the parts that carry it ({', '.join(carrying)})"
        raise ModelError(
            f"backbone.adapter.targets: no linear layer of '{section.model}'{where} is called "
            f"{', '.join(repr(m) for m in missing)}.{did_you_mean(missing[0], endings)} "
            f"It has: {', '.join(endings)}"
        )
    return {name: linear[name] for names in fitting.values() for name in names}


def peft_targets(
    model: PreTrainedModel,
    section: BackboneSection,
    layers: Mapping[str, nn.Linear],
    *,
    every: bool,
) -> str | list[str]:
    """As peft is told; short, as the user wrote it, where no part is left out."""
    targets = adapter_of(section).targets
    bypassed = any(isinstance(m, BYPASSED) for m in model.modules())
    if not every or bypassed:
        return list(layers)
    return targets if targets == ALL_LINEAR or isinstance(targets, list) else [targets]


def block_size(adapter: AdapterSection, layers: Mapping[str, nn.Linear], *, name: str) -> int:
    """The size of an OFT rotation; peft would take the nearest that fits, and go on.

    Raises:
        ModelError: the size that is asked for does not divide some layer's inputs.
    """
    if adapter.block_size is None:
        size = LARGEST_BLOCK
        while any(layer.in_features % size for layer in layers.values()):
            size //= 2
        return size
    odd = [at for at, layer in layers.items() if layer.in_features % adapter.block_size]
    if odd:
        raise ModelError(
            f"backbone.adapter.block_size: {adapter.block_size} does not divide the "
            f"{layers[odd[0]].in_features} inputs of layer '{odd[0]}' of '{name}'; remove the key "
            "to have it chosen"
        )
    return adapter.block_size


def refuse_four_dimensions(
    model: PreTrainedModel, layers: Mapping[str, nn.Linear], *, name: str
) -> None:
    """Before OFT is put on layers whose input peft misreads.

    Raises:
        ModelError: such a layer is among ``layers``.
    """
    tower = model.get_encoder("image")
    inside = {id(module) for module in tower.modules()}
    if tower.config.model_type in FOUR_DIMENSIONAL and any(
        id(m) in inside for m in layers.values()
    ):
        raise ModelError(
            f"backbone.adapter.kind: oft does not work in a vision tower of type "
            f"'{tower.config.model_type}', which '{name}' has; set backbone.parts.vision.mode: "
            "frozen, or choose another kind"
        )
