"""Frozen base weights in 4 or 8 bits."""

from __future__ import annotations

from typing import Any

import torch
from transformers import BitsAndBytesConfig, TorchAoConfig

from transferlab.config.backbone import BackboneSection, QuantizationSection
from transferlab.core.lazy import require
from transferlab.errors import EnvironmentProblem

EXTRA = "quantization"


def check_quantization(section: QuantizationSection, device: torch.device) -> None:
    """Before anything is downloaded.

    Raises:
        EnvironmentProblem: the device is no GPU.
        MissingExtra: the library is not installed.
    """
    if device.type != "cuda":
        raise EnvironmentProblem(
            f"backbone.quantization: weights of {section.bits} bits need a GPU, and the backbone "
            f"is on '{device}'; remove the section, or run where there is a GPU"
        )
    purpose = f"backbone.quantization with library: {section.library}"
    require(section.library, extra=EXTRA, purpose=purpose)


def quantization_arguments(section: BackboneSection) -> dict[str, Any]:
    """What ``from_pretrained`` is told; nothing where weights stay as they are."""
    if section.quantization is None:
        return {}
    device = section.device if section.device != "auto" else "cuda"
    return {
        "quantization_config": _config(section, section.quantization),
        "device_map": {"": device},
    }


def _config(
    section: BackboneSection, wanted: QuantizationSection
) -> BitsAndBytesConfig | TorchAoConfig:
    four = wanted.bits == 4
    if wanted.library == "bitsandbytes":
        return BitsAndBytesConfig(
            load_in_4bit=four,
            load_in_8bit=not four,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=getattr(torch, section.dtype),
        )
    from torchao.quantization import Int4WeightOnlyConfig, Int8WeightOnlyConfig

    return TorchAoConfig(Int4WeightOnlyConfig() if four else Int8WeightOnlyConfig())
