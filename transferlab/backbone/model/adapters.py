"""Put an adapter on a model, by peft; adapter_files.py saves it, loads it and melts it in."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from peft import (
    IA3Config,
    LoraConfig,
    OFTConfig,
    OSFConfig,
    PeftConfig,
    PeftModel,
    VeraConfig,
    get_peft_model,
    prepare_model_for_kbit_training,
)
from peft.tuners.lora import LoraLayer
from peft.tuners.osf import OSFLayer
from peft.utils import merge_utils
from torch import Tensor, nn
from transformers import PreTrainedModel

from transferlab.backbone.model.experts import GatedDown
from transferlab.backbone.model.parts import PartMap
from transferlab.backbone.model.targets import (
    adapter_of,
    block_size,
    carrying_layers,
    peft_targets,
    refuse_four_dimensions,
)
from transferlab.config.backbone import LORA_KINDS, PARTS, AdapterSection, BackboneSection
from transferlab.core.protocols import ExpertLayer, SplitWeight
from transferlab.errors import ModelError

RSLORA_ALPHA = 8.0
"""At rank 16 the scale alpha / sqrt(rank) is then 2, that of plain LoRA."""
START = "transferlab_start"
"""Attribute of a PiSSA model: its adapter's first values, which its base weights lack."""


def add_adapter(
    model: PreTrainedModel, section: BackboneSection, *, part_of: PartMap | None, seed: int
) -> PeftModel:
    """Freeze the model and put trainable parameters on the targeted layers.

    Args:
        model: changed in place.
        section: whose ``adapter`` is set.
        part_of: tells the parts of the model; None where all of them carry the adapter.
        seed: of the adapter's initial values; the process's random state is left as it was.

    Raises:
        ModelError: a target matches no linear layer, or an option does not fit the layers.
    """
    adapter = adapter_of(section)
    if section.quantization is not None:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    layers = carrying_layers(model, section, part_of=part_of)
    if adapter.kind == "oft":
        refuse_four_dimensions(model, layers, name=section.model)
    wanted = {
        "target_modules": peft_targets(model, section, layers, every=part_of is None),
        "revision": section.revision,
        "modules_to_save": _whole_parts(model, section, part_of),
    }
    with torch.random.fork_rng(), quiet():
        torch.manual_seed(seed)
        config = _config(model, adapter, layers, seed=seed, name=section.model, **wanted)
        adapted = get_peft_model(model, config)
    if adapter.experts is not None:
        for layer in _lora_layers(adapted):
            down = cast("nn.Linear", layer.lora_A["default"])
            layer.lora_A["default"] = GatedDown(down, adapter.experts)
    adapted.peft_config["default"].base_model_name_or_path = section.model
    if adapter.kind == "pissa":
        setattr(adapted, START, trainable_values(adapted))
    return adapted


def _config(
    model: PreTrainedModel,
    adapter: AdapterSection,
    layers: Mapping[str, nn.Linear],
    *,
    seed: int,
    name: str,
    **wanted: Any,
) -> PeftConfig:
    """The adapter in peft's words.

    ``layers``: those that carry it. ``wanted``: what every kind is told.
    """
    kind = adapter.kind
    if kind in LORA_KINDS:
        return LoraConfig(
            r=adapter.effective_rank,
            lora_alpha=_alpha(adapter),  # type: ignore[arg-type]  # peft only divides by it
            lora_dropout=adapter.dropout,
            use_dora=kind == "dora",
            use_rslora=kind == "rslora",
            init_lora_weights="pissa" if kind == "pissa" else True,
            trainable_token_indices=_all_tokens(model) if adapter.train_embeddings else None,
            **wanted,
        )
    if kind == "ia3":
        return IA3Config(feedforward_modules=[], **wanted)
    if kind == "vera":
        return VeraConfig(
            r=adapter.effective_rank,
            vera_dropout=adapter.dropout,
            projection_prng_key=seed,
            **wanted,
        )
    if kind == "oft":
        size = block_size(adapter, layers, name=name)
        return OFTConfig(r=0, oft_block_size=size, module_dropout=adapter.dropout, **wanted)
    wanted.pop("modules_to_save")  # osf has no use for it, and the section refuses such parts
    return OSFConfig(effective_rank=adapter.effective_fraction, **wanted)


def _alpha(adapter: AdapterSection) -> float:
    if adapter.alpha is not None:
        return adapter.alpha
    if adapter.kind == "rslora":
        return RSLORA_ALPHA
    return (1 if adapter.kind == "pissa" else 2) * adapter.effective_rank


def trainable_values(model: nn.Module) -> dict[str, Tensor]:
    named = model.named_parameters()
    return {name: p.detach().clone() for name, p in named if p.requires_grad}


def merge_tensors(
    tensors: Sequence[Sequence[torch.Tensor]],
    *,
    method: str,
    weights: Sequence[float],
    density: float,
) -> list[torch.Tensor]:
    """Merge several adapters parameter by parameter, with peft's own arithmetic.

    Args:
        tensors: per parameter, one tensor per adapter; all of one shape.
        method: linear, ties, dare_linear or dare_ties. The last two draw from torch's generator.
        weights: one per adapter.
        density: the share of values that is kept, in (0, 1]; method linear keeps all.
    """
    merges = {
        "linear": lambda ones, by: merge_utils.task_arithmetic(ones, by),
        "ties": lambda ones, by: merge_utils.ties(ones, by, density),
        "dare_linear": lambda ones, by: merge_utils.dare_linear(ones, by, density),
        "dare_ties": lambda ones, by: merge_utils.dare_ties(ones, by, density),
    }
    merged = []
    for ones in tensors:
        by = torch.tensor(list(weights), dtype=ones[0].dtype, device=ones[0].device)
        merged.append(merges[method](list(ones), by))
    return merged


def split_weights(model: nn.Module) -> list[SplitWeight]:
    """The weights that an adapter of kind osf splits, in the model's order; else none."""
    return [_split(one) for one in model.modules() if isinstance(one, OSFLayer)]


def _split(layer: OSFLayer, name: str = "default") -> SplitWeight:
    """Peft keeps the preserved directions where the weight is oblong, and the free ones where a
    factor is square: the rest of the space is then theirs."""
    parts = cast("nn.ParameterDict", layer.osf_svd_params[name])
    high_left, high_right = layer._osf_U_high, layer._osf_V_high
    low_left, low_right = layer._osf_U_low_init[name], layer._osf_V_low_init[name]

    def free_left(columns: Tensor) -> Tensor:
        if name in high_left:
            return columns - high_left[name] @ (high_left[name].T @ columns)
        return low_left @ (low_left.T @ columns)

    def free_right(rows: Tensor) -> Tensor:
        if name in high_right:
            return rows - (rows @ high_right[name].T) @ high_right[name]
        return (rows @ low_right.T) @ low_right

    return SplitWeight(parts["U_low"], parts["S_low"], parts["V_low"], free_left, free_right)


def expert_layers(model: nn.Module) -> list[ExpertLayer]:
    """The layers whose adapter is a mixture of experts, in the model's order; else none."""
    gated = [(one, one.lora_A["default"]) for one in _lora_layers(model)]
    return [
        ExpertLayer(
            down.down.get_parameter("weight"),
            layer.lora_B["default"].get_parameter("weight"),
            down.gate.get_parameter("weight"),
        )
        for layer, down in gated
        if isinstance(down, GatedDown)
    ]


def _lora_layers(model: nn.Module) -> list[LoraLayer]:
    """Those with two matrices; token embeddings that are trained are no such layers."""
    return [m for m in model.modules() if isinstance(m, LoraLayer) and "default" in m.lora_A]


def refuse_experts(model: nn.Module) -> None:
    if expert_layers(model):
        raise ModelError(
            "backbone.adapter.experts: a gate weighs experts token by token, so they cannot be "
            "melted into weights and peft has no file for them; the run's checkpoint holds them. "
            "Set export: [], or experts: null"
        )


def is_adapted(model: PreTrainedModel) -> bool:
    """Whether the model carries an adapter."""
    return isinstance(model, PeftModel)


@contextmanager
def quiet() -> Iterator[None]:
    """peft asks transformers in words that the newer one calls old; the user cannot help it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
        yield


def _all_tokens(model: PreTrainedModel) -> dict[str, list[int]]:
    """Every token of the input embedding, by the name that peft finds the layer by."""
    embedding = model.get_input_embeddings()
    name = next(name for name, module in model.named_modules() if module is embedding)
    return {name.rpartition(".")[2]: list(range(embedding.get_parameter("weight").shape[0]))}


def _whole_parts(
    model: PreTrainedModel, section: BackboneSection, part_of: PartMap | None
) -> list[str] | None:
    """The modules that are trained whole beside the adapter, and saved with it."""
    full = [part for part in PARTS if section.mode(part) == "full"]
    return part_of.tops(model, full) if full and part_of is not None else None
