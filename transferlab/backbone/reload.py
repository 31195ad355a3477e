"""Load a saved adapter the way anybody would, and see whether it answers as the trained one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import torch
from torch import nn

from transferlab.backbone.base.library_messages import suppress_progress_bars
from transferlab.backbone.hf import HFBackbone
from transferlab.backbone.loader import load_pretrained
from transferlab.backbone.model.adapters import load_adapter
from transferlab.core.protocols import Backbone
from transferlab.core.records import Sample

EXACT = 1e-4
"""The same weights in another process differ by less, in any precision."""
HALF_ROUNDINGS = 4
"""Of the largest logit; changing the order of additions in half precision makes one to two."""


@torch.no_grad()
def reload_tolerance(backbone: Backbone, samples: Sequence[Sample]) -> float:
    """The largest difference of a logit of ``samples``' answers that counts as equal.

    All adapters but one are loaded with the weights that they were trained on. PiSSA is trained
    on what its first values leave of each weight, rounded to the backbone's precision, and is
    saved for the weight itself: in half precision, answers then differ by that precision's
    rounding.
    """
    assert isinstance(backbone, HFBackbone), "there is no other kind that saves an adapter"
    section = backbone.section
    if section.adapter is None or section.adapter.kind != "pissa" or section.dtype == "float32":
        return EXACT
    batch, _ = backbone.collate(samples)
    with _evaluation(backbone.module):
        largest = float(backbone.module(batch.to(backbone.device)).abs().max())
    return max(EXACT, HALF_ROUNDINGS * torch.finfo(getattr(torch, section.dtype)).eps * largest)


@torch.no_grad()
def adapter_difference(backbone: Backbone, folder: Path, samples: Sequence[Sample]) -> float:
    """The largest difference that reloading makes to a logit of ``samples``' answers.

    Args:
        backbone: the trained backbone, whose adapter was saved.
        folder: what ``save_adapter`` wrote; read with ``PeftModel.from_pretrained`` on the base
            model, which is loaded anew.
        samples: at least one.

    Raises:
        ModelError: the base model cannot be loaded whole.
    """
    assert isinstance(backbone, HFBackbone), "there is no other kind that saves an adapter"
    with suppress_progress_bars():
        base = load_pretrained(backbone.section, dtype=getattr(torch, backbone.section.dtype))
        if backbone.section.quantization is None:  # a quantized model is on its device already
            cast("nn.Module", base).to(backbone.device)
        loaded = load_adapter(base, folder)
    again = backbone.view(loaded, inputs=backbone.module.inputs)
    batch, _ = backbone.collate(samples)
    batch = batch.to(backbone.device)
    again.eval()
    with _evaluation(backbone.module):
        return float((backbone.module(batch).float() - again(batch).float()).abs().max())


@contextmanager
def _evaluation(module: nn.Module) -> Iterator[None]:
    """Dropout off for a while."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)
