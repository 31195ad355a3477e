"""An adapter as files: saved as peft does, loaded again, or melted into the model."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import PreTrainedModel

from transferlab.backbone.model.adapters import START, quiet, refuse_experts, trainable_values
from transferlab.errors import ModelError

WEIGHTS = "adapter_model.safetensors"
_UNFIT = (
    *(ValueError, RuntimeError, KeyError, OSError, SafetensorError, UserWarning),
    *(TypeError, AttributeError),
)
"""What peft raises of weights that do not fit; the last two, of settings of another kind."""


def save_adapter(model: PreTrainedModel, folder: Path) -> None:
    """Write the adapter as peft does: adapter_config.json and adapter_model.safetensors.

    A PiSSA adapter is written as the LoRA adapter of twice its rank that does the same to the
    untouched base model: nobody else has the base model that PiSSA took its first values from.

    Raises:
        ModelError: the adapter is a mixture of experts.
    """
    refuse_experts(model)
    # Left on "auto", peft asks the network for the base model's vocabulary size.
    how: dict[str, Any] = {"safe_serialization": True, "save_embedding_layers": False}
    start = getattr(model, START, None)
    if start is None:
        model.save_pretrained(str(folder), **how)
        return
    with tempfile.TemporaryDirectory() as first, warnings.catch_warnings():
        # Peft puts the first values beside the trained ones for a moment.
        warnings.filterwarnings("ignore", message="PiSSA changes the base weights")
        trained = trainable_values(model)
        _put(model, start)
        try:
            model.save_pretrained(first, **how)
        finally:
            _put(model, trained)
        how["path_initial_model_for_weight_conversion"] = first
        model.save_pretrained(str(folder), **how)


@torch.no_grad()
def _put(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    for name, parameter in model.named_parameters():
        if name in values:
            parameter.copy_(values[name])


def load_adapter(base: nn.Module, folder: Path) -> PeftModel:
    """Put a saved adapter on ``base``, for use, not for training."""
    with quiet():
        return PeftModel.from_pretrained(base, str(folder))


def load_strangers_adapter(base: nn.Module, folder: Path) -> PeftModel:
    """``load_adapter`` of a folder that nobody has looked at yet.

    Raises:
        ModelError: it holds no adapter in safetensors, is damaged, or is made for another model.
    """
    if not (folder / WEIGHTS).is_file():
        raise ModelError(
            f"{folder}: holds no {WEIGHTS}; name the folder of an exported adapter (adapters in "
            "other formats than safetensors are not read)"
        )
    with warnings.catch_warnings():
        # Peft says here which weights the file lacks, and goes on without them.
        warnings.filterwarnings("error", message=".*missing adapter keys.*")
        try:
            return load_adapter(base, folder)
        except _UNFIT as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ModelError(
                f"{folder}: the adapter does not fit this backbone or is damaged "
                f"({lines[0][:200]}); name the backbone that it was trained on with --backbone"
            ) from error


def merge_in_place(model: PreTrainedModel) -> PreTrainedModel:
    """The model itself with its adapter melted into the weights, layer by layer.

    Raises:
        ModelError: the adapter is a mixture of experts.
    """
    refuse_experts(model)
    return model.merge_and_unload() if isinstance(model, PeftModel) else model


def merged_copy(model: PreTrainedModel) -> PreTrainedModel:
    """The model with its adapter melted into the weights; the one given is left as it is.

    Raises:
        ModelError: the adapter is a mixture of experts.
    """
    refuse_experts(model)
    if not isinstance(model, PeftModel):
        return model
    return copy.deepcopy(model).merge_and_unload()
