"""Features of prompts with their media, for the similarity of domains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from transferlab.backbone.model.view import TrainableView, innermost
from transferlab.backbone.processing.collator import Collator
from transferlab.core.batch import Batch
from transferlab.core.records import Features, Sample
from transferlab.errors import ModelError


@torch.no_grad()
def read_features(
    model: PreTrainedModel,
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
    found: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
    for start in range(0, len(samples), batch_samples):
        batch = collator.prompts(samples[start : start + batch_samples]).to(device)
        for rows, part in zip(view.inputs.row_groups(batch), view.inputs.parts(batch), strict=True):
            image, text, joint = _read(model, view, part, name=name)
            for at, row in enumerate(rows):
                found[start + row] = (image[at], text[at], joint[at])
    columns = zip(*(found[at] for at in range(len(samples))), strict=True)
    images, texts, joints = (torch.stack(column).cpu().numpy() for column in columns)
    return Features(image=images, text=texts, joint=joints)


def _read(
    model: PreTrainedModel, view: TrainableView, batch: Batch, *, name: str
) -> tuple[Tensor, Tensor, Tensor]:
    """(B, D) float32 each: image, text and joint features."""
    inputs = view.inputs(batch)
    start = view.inputs.start_id
    if start is not None:
        inputs["decoder_input_ids"] = batch.input_ids.new_full((len(batch), 1), start)
    with _language_model_outputs(model, view, name=name) as outputs:
        model(**inputs, use_cache=False, **view.inputs.last_logits(1))
    real, image = inputs["attention_mask"].bool(), view.inputs.pictures(inputs["input_ids"])
    # What a model itself puts before the words is no word.
    words, last = (outputs[way][:, -real.shape[1] :] for way in ("in", "out"))
    shown = _mean(words, image)
    if view.inputs.sound_id is not None:
        image = image | (inputs["input_ids"] == view.inputs.sound_id)
    if view.inputs.family.projected:
        by_sample = view.inputs.family.by_sample
        shown = _mean_of_pictures(outputs.get("shown"), batch, by_sample=by_sample, like=shown)
    return shown, _mean(words, real & ~image), _mean(last, real)


def _mean_of_pictures(
    shown: Tensor | None, batch: Batch, *, by_sample: bool, like: Tensor
) -> Tensor:
    """(B, D) of the projected pictures, in the order of the samples; zeros without any."""
    if shown is None or not any(batch.media_rows):
        return torch.zeros_like(like)
    counts = torch.tensor(batch.media_rows, device=shown.device)
    slots = int(counts.max())
    rows = len(batch) * slots if by_sample else int(counts.sum())
    pictures = shown.float().reshape(rows, -1, shown.shape[-1]).mean(dim=1)
    each = [slots] * len(batch) if by_sample else list(batch.media_rows)
    pictures = torch.nn.utils.rnn.pad_sequence(pictures.split(each), batch_first=True)
    return _mean(pictures, torch.arange(slots, device=shown.device) < counts.unsqueeze(1))


@contextmanager
def _language_model_outputs(
    model: PreTrainedModel, view: TrainableView, *, name: str
) -> Iterator[dict[str, Tensor]]:
    """Fills "in" and "out", each (B, S, D), when the model runs, and "shown" where it is apart."""
    inner = innermost(model)
    family = view.inputs.family
    outputs: dict[str, Tensor] = {}

    def watch(module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        given = kwargs.get("inputs_embeds")
        if given is None and not family.projected:
            raise ModelError(
                f"backbone '{name}': its language model takes no embeddings, so image and text "
                "features cannot be told apart; choose a backbone that joins them there"
            )
        if given is not None:
            outputs["in"] = given
        outputs["out"] = output[0]

    reader = _reader(inner, encodes=view.inputs.start_id is not None)
    handles = [reader.register_forward_hook(watch, with_kwargs=True)]
    if family.projected:
        # Words alone are embedded; pictures are read by cross-attention, or put before them.
        named = dict(inner.named_modules())
        shown = next(m for at, m in named.items() if at.endswith(family.projected))
        words = inner.get_input_embeddings()
        handles += [
            shown.register_forward_hook(lambda m, args, out: outputs.update(shown=_first(out))),
            words.register_forward_hook(lambda m, args, out: outputs.update({"in": out})),
        ]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _first(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    return output if isinstance(output, Tensor) else output[0]


def _reader(model: PreTrainedModel, *, encodes: bool) -> nn.Module:
    """The layers that read prompts and end in hidden states.

    What some families call decoder ends in logits.
    """
    if encodes:
        return model.get_encoder()
    decoder = model.get_decoder()
    while hasattr(decoder, "get_decoder") and (inner := decoder.get_decoder()) is not decoder:
        decoder = inner
    return decoder if decoder.get_output_embeddings() is None else decoder.model


def _mean(states: Tensor, where: Tensor) -> Tensor:
    """(B, D) float32: mean over the positions that ``where``, (B, S), marks; zeros without any."""
    weights = where.unsqueeze(-1).float()
    return (states.float() * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)
