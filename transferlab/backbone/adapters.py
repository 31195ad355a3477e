"""The one door to peft: put an adapter on a model, save it, melt it in."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import merge_utils
from torch import nn

from transferlab.config.pipeline import AdapterSection
from transferlab.core.registry import did_you_mean
from transferlab.errors import ModelError

ALL_LINEAR = "all-linear"


def add_adapter(
    model: nn.Module, section: AdapterSection, *, name: str, revision: str | None, seed: int
) -> PeftModel:
    """Freeze the model and put trainable low-rank matrices beside the targeted layers.

    Args:
        model: changed in place.
        section: kind, rank, scale and targets.
        name: the base model's name, written into the adapter's files.
        revision: the base model's revision, likewise.
        seed: of the adapter's initial values; the process's random state is left as it was.

    Raises:
        ModelError: a target matches no linear layer of the model.
    """
    config = LoraConfig(
        r=section.rank,
        lora_alpha=2 * section.rank if section.alpha is None else section.alpha,
        lora_dropout=section.dropout,
        target_modules=_targets(model, section.targets, name=name),
        revision=revision,
        trainable_token_indices=_all_tokens(model) if section.train_embeddings else None,
    )
    with torch.random.fork_rng(), _quiet():
        torch.manual_seed(seed)
        adapted = get_peft_model(model, config)
    adapted.peft_config["default"].base_model_name_or_path = name
    return adapted


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Write the adapter as peft does: adapter_config.json and adapter_model.safetensors."""
    # Left on "auto", peft asks the network for the base model's vocabulary size.
    model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)


def load_adapter(base: nn.Module, folder: Path) -> PeftModel:
    """Put a saved adapter on ``base``, for use, not for training."""
    with _quiet():
        return PeftModel.from_pretrained(base, str(folder))


def merged_copy(model: nn.Module) -> nn.Module:
    """The model with its adapter melted into the weights; the one given is left as it is."""
    if not isinstance(model, PeftModel):
        return model
    return copy.deepcopy(model).merge_and_unload()


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


def is_adapted(model: nn.Module) -> bool:
    """Whether the model carries an adapter."""
    return isinstance(model, PeftModel)


@contextmanager
def _quiet() -> Iterator[None]:
    """peft asks transformers in words that the newer one calls old; the user cannot help it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*")
        yield


def _all_tokens(model: nn.Module) -> dict[str, list[int]]:
    """Every token of the input embedding, by the name that peft finds the layer by."""
    embedding = model.get_input_embeddings()
    name = next(name for name, module in model.named_modules() if module is embedding)
    return {name.rpartition(".")[2]: list(range(embedding.num_embeddings))}


def _targets(model: nn.Module, targets: str | list[str], *, name: str) -> str | list[str]:
    if targets == ALL_LINEAR:
        return targets
    wanted = [targets] if isinstance(targets, str) else targets
    linear = [n for n, module in model.named_modules() if isinstance(module, nn.Linear)]
    missing = [t for t in wanted if not any(n == t or n.endswith(f".{t}") for n in linear)]
    if missing:
        endings = sorted({n.rpartition(".")[2] for n in linear})
        raise ModelError(
            f"backbone.adapter.targets: no linear layer of '{name}' is called "
            f"{', '.join(repr(m) for m in missing)}.{did_you_mean(missing[0], endings)} "
            f"It has: {', '.join(endings)}"
        )
    return wanted
