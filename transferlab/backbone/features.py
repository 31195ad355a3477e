"""Features of prompts with their media, for the similarity of domains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from transferlab.backbone.collate import Collator
from transferlab.backbone.view import TrainableView, innermost
from transferlab.core.records import Features, Sample
from transferlab.errors import ModelError


@torch.no_grad()
def read_features(
    model: nn.Module,
    view: TrainableView,
    collator: Collator,
    samples: Sequence[Sample],
    *,
    batch_samples: int,
    name: str,
) -> Features:
    """Image, text and joint features of the prompts; answers are not read.

    All three are taken where they meet, at the language model: what goes in holds the projected
    image tokens and the token embeddings, what comes out is the last hidden state.

    Raises:
        ModelError: the backbone's language model does not take embeddings.
    """
    device = next(model.parameters()).device
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for start in range(0, len(samples), batch_samples):
        batch = collator.prompts(samples[start : start + batch_samples]).to(device)
        with _language_model_seen(innermost(model), name=name) as seen:
            model(**view.inputs(batch), use_cache=False)
        real = batch.attention_mask.bool()
        image = batch.input_ids == collator.chat.picture_id
        parts.append(
            (
                _mean(seen["in"], image),
                _mean(seen["in"], real & ~image),
                _mean(seen["out"], real),
            )
        )
    image, text, joint = (_stack(column) for column in zip(*parts, strict=True))
    return Features(image=image, text=text, joint=joint)


@contextmanager
def _language_model_seen(model: nn.Module, *, name: str) -> Iterator[dict[str, Tensor]]:
    """Fills "in" and "out", each (B, S, D), when the model runs."""
    decoder = _inner_decoder(model)
    seen: dict[str, Tensor] = {}

    def watch(module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        if kwargs.get("inputs_embeds") is None:
            raise ModelError(
                f"backbone '{name}': its language model takes no embeddings, so image and text "
                "features cannot be told apart; choose a backbone that joins them there"
            )
        seen["in"], seen["out"] = kwargs["inputs_embeds"], output[0]

    handle = decoder.register_forward_hook(watch, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


def _inner_decoder(model: nn.Module) -> nn.Module:
    """The layers that end in hidden states; what some families call decoder ends in logits."""
    decoder = model.get_decoder()
    while hasattr(decoder, "get_decoder") and (inner := decoder.get_decoder()) is not decoder:
        decoder = inner
    return decoder


def _mean(states: Tensor, where: Tensor) -> Tensor:
    """(B, D) float32: mean over the positions that ``where``, (B, S), marks; zeros without any."""
    weights = where.unsqueeze(-1).float()
    return (states.float() * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def _stack(parts: Sequence[Tensor]) -> np.ndarray:
    return torch.cat(list(parts)).cpu().numpy()
