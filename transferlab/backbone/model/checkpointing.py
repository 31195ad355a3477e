"""Gradient checkpointing: activations are computed again in the backward pass, in any mode."""

from __future__ import annotations

from functools import partial, update_wrapper
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from transferlab.backbone.model.view import innermost
from transferlab.errors import ModelError


def checkpoint_gradients(model: PreTrainedModel, *, name: str) -> None:
    """Have activations computed again in the backward pass.

    transformers does so in training mode alone. Strategies measure gradients without dropout (a
    Fisher information, an interference), which without checkpointing would need ten times the
    memory of a training step; so layers do it in evaluation mode too, where there are gradients.

    Raises:
        ModelError: the model's code has no such thing.
    """
    inner = innermost(model)
    if not inner.supports_gradient_checkpointing:
        raise ModelError(
            f"backbone '{name}' cannot compute its activations again; set "
            "backbone.gradient_checkpointing: false"
        )
    plain = {"use_reentrant": False}
    # Newer transformers have another name for it, which older ones lack.
    if hasattr(inner, "activation_checkpointing_enable"):
        inner.activation_checkpointing_enable(activation_checkpointing_kwargs=plain)
    else:
        inner.gradient_checkpointing_enable(gradient_checkpointing_kwargs=plain)
    # Only the reentrant kind needs inputs with gradients; some vision towers fail with them.
    inner.disable_input_require_grads()
    for layer in checkpointed_layers(model):
        recompute_in_any_mode(layer)


def checkpointed_layers(model: nn.Module) -> list[nn.Module]:
    """The layers whose activations are computed again."""
    return [
        module
        for module in innermost(model).modules()
        if isinstance(module, GradientCheckpointingLayer) and module.gradient_checkpointing
    ]


def recompute_in_any_mode(layer: nn.Module) -> None:
    """Have a layer that is checkpointed in training checkpointed in evaluation mode as well."""
    # A partial, and no closure: a copy of the model has to run its own layers.
    layer.forward = update_wrapper(partial(_in_any_mode, layer, layer.forward), layer.forward)


def _in_any_mode(layer: Any, forward: Any, *args: Any, **kwargs: Any) -> Any:
    """``forward``, checkpointed in evaluation mode as the layer itself does it in training mode."""
    if layer.training or not layer.gradient_checkpointing or not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    # The layer's own flag stays that of evaluation, so that its dropout is off.
    return layer._gradient_checkpointing_func(partial(forward, **kwargs), *args)
